// Command release packs what release.sh has built, so that the same files always give the same bytes, whatever system it runs on.
//
//	release pack --time SECONDS --out FILE DIR    an archive of DIR, by FILE's name a .tar.gz or a .zip
//	release sum DIR                               DIR/SHA256SUMS, of all archives in DIR
//	release check DIR                             whether all archives in DIR are as SHA256SUMS says
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("what to do is missing: pack, sum or check")
	}
	verb, args := args[0], args[1:]
	flags := flag.NewFlagSet(verb, flag.ContinueOnError)
	seconds := flags.Int64("time", 0, "modification `time` of all files, in seconds since 1970")
	out := flags.String("out", "", "`file` to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return fmt.Errorf("%s needs one directory, and there are %d arguments", verb, flags.NArg())
	}
	dir := flags.Arg(0)
	switch verb {
	case "pack":
		if *out == "" {
			return errors.New("pack needs --out")
		}
		return pack(*out, dir, time.Unix(*seconds, 0).UTC())
	case "sum":
		return sum(dir)
	case "check":
		return check(dir)
	}
	return fmt.Errorf("unknown verb %q: use pack, sum or check", verb)
}
