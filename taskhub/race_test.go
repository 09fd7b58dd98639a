//go:build race

package taskhub

// raceDetector says that the race detector is at work, with which memory and time are no measure.
const raceDetector = true
