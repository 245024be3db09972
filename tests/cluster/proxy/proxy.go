package main

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

type proxy struct {
	target   string
	up, down *link // towards the target, and from it

	mu       sync.Mutex
	listen   string // with its port, once there is one
	listener net.Listener
	conns    map[*net.TCPConn]struct{} // both sides of each connection
	total    int
}

func newProxy(listen, target string) *proxy {
	return &proxy{target: target, listen: listen, up: newLink(), down: newLink(),
		conns: map[*net.TCPConn]struct{}{}}
}

func (p *proxy) address() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listen
}

func (p *proxy) accept() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return nil
	}
	l, err := net.Listen("tcp", p.listen)
	if err != nil {
		return err
	}
	p.listener, p.listen = l, l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed by refuse
			}
			p.mu.Lock()
			p.total++
			p.mu.Unlock()
			go p.connection(c.(*net.TCPConn))
		}
	}()
	return nil
}

// refuse makes further connections fail; those that are open stay.
func (p *proxy) refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		p.listener.Close()
		p.listener = nil
	}
}

// cut breaks every open connection with a reset.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.SetLinger(0)
		c.Close()
		delete(p.conns, c)
	}
}

// add makes cut reach conns.
func (p *proxy) add(c *net.TCPConn) *net.TCPConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return c
}

// remove closes conns, with a reset unless all ended well.
func (p *proxy) remove(err error, conns ...*net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if err != nil {
			c.SetLinger(0)
		}
		c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) connection(client *net.TCPConn) {
	p.add(client)
	p.up.pass()
	dialled, err := net.DialTimeout("tcp", p.target, 10*time.Second)
	if err != nil {
		p.remove(err, client)
		return
	}
	server := p.add(dialled.(*net.TCPConn))

	errs := make(chan error, 2)
	go func() { errs <- carry(p.up, server, client) }()
	go func() { errs <- carry(p.down, client, server) }()
	// A clean end of one direction leaves the other open; an error ends both.
	err = <-errs
	if err == nil {
		err = <-errs
	}
	p.remove(err, client, server)
}

func (p *proxy) stats() string {
	p.mu.Lock()
	open, total := (len(p.conns)+1)/2, p.total
	p.mu.Unlock()
	count := func(l *link) (n int64) {
		l.set(func() { n = l.bytes })
		return n
	}
	return fmt.Sprintf("open %d total %d up %d down %d", open, total,
		count(p.up), count(p.down))
}

// parseRate reads bytes per second: 500K, 10M, 1G.
func parseRate(s string) (float64, error) {
	unit := 1.0
	if i := strings.IndexByte("KMG", (s + " ")[max(len(s)-1, 0)]); i >= 0 {
		unit = []float64{1e3, 1e6, 1e9}[i]
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("not a rate: %q", s)
	}
	return n * unit, nil
}

// command carries out one line and returns its answer.
func (p *proxy) command(line string) (string, error) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return "", fmt.Errorf("empty command")
	}
	links := []*link{p.up, p.down}
	if len(words) == 3 {
		switch words[1] {
		case "up":
			links = links[:1]
		case "down":
			links = links[1:]
		default:
			return "", fmt.Errorf("no direction %q: up or down", words[1])
		}
		words = []string{words[0], words[2]}
	}
	all := func(change func(*link)) (string, error) {
		for _, l := range links {
			l.set(func() { change(l) })
		}
		return "ok", nil
	}
	switch words[0] + "/" + strconv.Itoa(len(words)-1) {
	case "delay/1":
		ms, err := strconv.ParseFloat(words[1], 64)
		if err != nil || ms < 0 {
			return "", fmt.Errorf("not milliseconds: %q", words[1])
		}
		return all(func(l *link) {
			l.delay = time.Duration(ms * float64(time.Millisecond))
		})
	case "bandwidth/1":
		rate, err := parseRate(words[1])
		if err != nil {
			return "", err
		}
		return all(func(l *link) { l.rate = rate })
	case "freeze/0":
		return all(func(l *link) { l.frozen = true })
	case "thaw/0":
		return all(func(l *link) { l.frozen = false })
	case "cut/0":
		p.cut()
	case "refuse/0":
		p.refuse()
	case "accept/0":
		return "ok", p.accept()
	case "stats/0":
		return p.stats(), nil
	default:
		return "", fmt.Errorf("no command %q: delay [up|down] MS, "+
			"bandwidth [up|down] RATE, freeze, thaw, cut, refuse, accept, stats", line)
	}
	return "ok", nil
}
