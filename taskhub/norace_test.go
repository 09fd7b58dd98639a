//go:build !race

package taskhub

const raceDetector = false
