// A TCP proxy that behaves like a slow, stuck or broken network, where the
// kernel has no netem. Steered by lines on stdin or on a unix socket.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
)

// serve answers each line of r with one line on w.
func (p *proxy) serve(r io.Reader, w io.Writer) {
	for lines := bufio.NewScanner(r); lines.Scan(); {
		answer, err := p.command(lines.Text())
		if err != nil {
			answer = "error: " + err.Error()
		}
		fmt.Fprintln(w, answer)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "proxy:", err)
	os.Exit(1)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address to listen on")
	target := flag.String("target", "", "address to connect to")
	delay := flag.String("delay", "0", "milliseconds one way")
	bandwidth := flag.String("bandwidth", "0", "bytes per second one way (K, M, G); 0: no limit")
	control := flag.String("control", "", "unix socket for commands")
	flag.Parse()
	if *target == "" {
		fail(fmt.Errorf("--target is missing"))
	}
	p := newProxy(*listen, *target)
	for _, line := range []string{"delay " + *delay, "bandwidth " + *bandwidth, "accept"} {
		if _, err := p.command(line); err != nil {
			fail(err)
		}
	}
	if *control != "" {
		l, err := net.Listen("unix", *control)
		if err != nil {
			fail(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					fail(err)
				}
				go func() {
					defer c.Close()
					p.serve(c, c)
				}()
			}
		}()
	}
	fmt.Println("listening", p.address())
	// Whoever started it is gone when stdin ends, and so is the proxy.
	p.serve(os.Stdin, os.Stdout)
}
