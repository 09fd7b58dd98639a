// Package payloads keeps what is too large for a queue message or a table column: gzip blobs in the container
// {hub}-largemessages, as DurableTask.AzureStorage 2.9 writes and reads them. The names of the blobs are made by the
// package layout; what is inside is either a whole queue message or the text of one column.
package payloads
