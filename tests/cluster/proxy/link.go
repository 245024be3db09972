package main

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	chunkBytes = 16 << 10
	// On the way in one direction of one connection: over this the sender has
	// to wait. Enough for 1 s at 256 Mbit/s.
	queueBytes = 32 << 20
	// A sleep is this inexact; what it lost may be sent at once.
	burst = 2 * time.Millisecond
)

// link is one direction of the network, shared by all connections as a wire is.
type link struct {
	mu     sync.Mutex
	cond   *sync.Cond
	delay  time.Duration
	rate   float64 // bytes per second; 0: no limit
	frozen bool
	idle   time.Time // when the wire has sent what it was given
	bytes  int64
}

func newLink() *link {
	l := &link{}
	l.cond = sync.NewCond(&l.mu)
	return l
}

func (l *link) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	l.cond.Broadcast()
}

// pass waits while the link is frozen.
func (l *link) pass() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.frozen {
		l.cond.Wait()
	}
}

// send puts n bytes on the wire: when the wire is free again, and when the
// bytes have arrived.
func (l *link) send(n int) (sent, due time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	sent = time.Now()
	if l.rate > 0 {
		if l.idle.After(sent.Add(-burst)) {
			sent = l.idle
		}
		sent = sent.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
		l.idle = sent
	}
	l.bytes += int64(n)
	return sent, sent.Add(l.delay)
}

type packet struct {
	data []byte
	due  time.Time
}

// queue holds what is on its way, in order and bounded.
type queue struct {
	mu      sync.Mutex
	cond    *sync.Cond
	packets []packet
	bytes   int
	ended   bool // the sender has no more
	broken  bool // the receiver is gone
}

func newQueue() *queue {
	q := &queue{}
	q.cond = sync.NewCond(&q.mu)
	return q
}

func (q *queue) put(p packet) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes > queueBytes && !q.broken {
		q.cond.Wait()
	}
	q.packets = append(q.packets, p)
	q.bytes += len(p.data)
	q.cond.Broadcast()
	return !q.broken
}

func (q *queue) take() (p packet, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.packets) == 0 && !q.ended && !q.broken {
		q.cond.Wait()
	}
	if len(q.packets) == 0 || q.broken {
		return p, false
	}
	p = q.packets[0]
	q.packets = q.packets[1:]
	q.bytes -= len(p.data)
	q.cond.Broadcast()
	return p, true
}

func (q *queue) end(broken bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.broken = q.broken || broken
	q.cond.Broadcast()
}

// carry moves src's bytes to dst over l until src ends, then ends dst's
// reading side in turn. An error of either returns early.
//
// Reading and writing are apart, with the time of arrival on each packet:
// bytes in flight are limited by the wire, not by the delay.
func carry(l *link, dst, src *net.TCPConn) error {
	q := newQueue()
	var readErr error
	go func() {
		var last time.Time
		for {
			l.pass()
			data := make([]byte, chunkBytes)
			n, err := src.Read(data)
			sent, due := l.send(n)
			if due.Before(last) { // a delay that was lowered must not reorder
				due = last
			}
			last = due
			// the end, too, takes its time to arrive
			if !q.put(packet{data[:n], due}) || err != nil {
				if err != io.EOF {
					readErr = err
				}
				q.end(false)
				return
			}
			if ahead := time.Until(sent); ahead > burst {
				time.Sleep(ahead)
			}
		}
	}()
	for {
		p, ok := q.take()
		if !ok {
			break
		}
		time.Sleep(time.Until(p.due))
		l.pass()
		if _, err := dst.Write(p.data); err != nil {
			q.end(true)
			return err
		}
	}
	if readErr != nil {
		return readErr
	}
	return dst.CloseWrite()
}
