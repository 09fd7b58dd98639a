// Package conformance checks the embedded storage against the rules of Azure
// Storage. Its tests are one table of cases that runs on three targets: the
// emulator in process, the emulator behind its listener, and the storage that
// TASKHUB_TEST_CONN names, which is Azurite in this project's test runs.
//
// Where Azurite and the emulator differ, the case says how, which one the
// service sides with, and which article of "Azure Storage REST API reference"
// (learn.microsoft.com/rest/api/storageservices) or which observation says so.
package conformance
