// Package limits keeps the limits of activities: how much of each may begin in a span of time, or run at a time, in a whole hub.
//
// The table {hub}Limits has a row for each limit and key. Workers take what they need from it by batches, under the row's ETag: tokens,
// each good for one start between two instants, or permits, which are good until they are not renewed any more. All instants are the
// storage service's, which every worker knows within bounds, see [clock]: a token is used only when the time is certainly not past, and
// counts for as long as it might have been used. So neither clocks that differ nor workers that pause, die or lose an answer let more
// begin than is allowed; all they can do is waste tokens.
package limits
