package main

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand"
	"net"
	"testing"
	"time"
)

// echo starts a server that sends everything back, and a proxy before it.
func echo(t *testing.T) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.(*net.TCPConn).CloseWrite()
			}()
		}
	}()
	p := newProxy("127.0.0.1:0", l.Addr().String())
	do(t, p, "accept")
	t.Cleanup(func() { p.refuse(); p.cut() })
	return p
}

func do(t *testing.T, p *proxy, line string) string {
	t.Helper()
	answer, err := p.command(line)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func dial(t *testing.T, p *proxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(60 * time.Second))
	return c.(*net.TCPConn)
}

// there sends data, ends its side, and wants the same back.
func there(t *testing.T, c *net.TCPConn, data []byte) time.Duration {
	t.Helper()
	start := time.Now()
	go func() {
		c.Write(data)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(got) != sha256.Sum256(data) {
		t.Fatalf("%d bytes came back changed, of %d", len(got), len(data))
	}
	return time.Since(start)
}

func random(n int) []byte {
	data := make([]byte, n)
	rand.New(rand.NewSource(1)).Read(data)
	return data
}

func within(t *testing.T, what string, got, low, high time.Duration) {
	t.Helper()
	if got < low || got > high {
		t.Errorf("%s took %v, not %v to %v", what, got, low, high)
	}
}

func TestDelayIsOfEachWay(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	do(t, p, "delay up 30")
	do(t, p, "delay down 50")
	quickest := time.Hour // of some: the machine may work at something else
	for range [20]int{} {
		start := time.Now()
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		quickest = min(quickest, time.Since(start))
	}
	within(t, "a round trip", quickest, 80*time.Millisecond, 150*time.Millisecond)
}

func TestDelayDoesNotLimitBytesInFlight(t *testing.T) {
	p := echo(t)
	do(t, p, "delay 100")
	// a sleep for each read would take 0.2 s for each 16 KiB: over a minute
	within(t, "8 MiB", there(t, dial(t, p), random(8<<20)), 200*time.Millisecond, 40*time.Second)
}

func TestOrderHoldsWhenTheDelayFalls(t *testing.T) {
	p := echo(t)
	do(t, p, "delay 60")
	go func() {
		for _, d := range []string{"5", "40", "0", "20", "0"} {
			time.Sleep(20 * time.Millisecond)
			p.command("delay " + d)
		}
	}()
	there(t, dial(t, p), random(4<<20))
}

func TestBandwidthIsSharedByConnections(t *testing.T) {
	p := echo(t)
	do(t, p, "bandwidth down 10M")
	done := make(chan time.Duration, 2)
	for range [2]int{} {
		c := dial(t, p)
		go func() { done <- there(t, c, random(2_500_000)) }()
	}
	<-done
	within(t, "2 x 2.5 MB at 10 MB/s", <-done, 450*time.Millisecond, 40*time.Second)
}

func TestFreezeHoldsBackAndLosesNothing(t *testing.T) {
	p := echo(t)
	c := dial(t, p)
	do(t, p, "freeze")
	c.Write([]byte("held"))
	c.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Read(make([]byte, 4)); err == nil {
		t.Fatalf("%d bytes passed a frozen link", n)
	}
	c.SetReadDeadline(time.Now().Add(60 * time.Second))
	do(t, p, "thaw")
	got := make([]byte, 4)
	if io.ReadFull(c, got); !bytes.Equal(got, []byte("held")) {
		t.Fatalf("got %q", got)
	}
}

func TestCutResetsAndGoesOnAccepting(t *testing.T) {
	for _, frozen := range []bool{false, true} {
		p := echo(t)
		c := dial(t, p)
		c.Write([]byte("x"))
		io.ReadFull(c, make([]byte, 1))
		if frozen {
			do(t, p, "freeze")
		}
		do(t, p, "cut")
		if _, err := c.Read(make([]byte, 1)); err == nil || err == io.EOF {
			t.Fatalf("a cut connection ended with %v, not a reset", err)
		}
		do(t, p, "thaw")
		there(t, dial(t, p), random(1000))
	}
}

func TestRefuseAndAccept(t *testing.T) {
	p := echo(t)
	open := dial(t, p)
	open.Write([]byte("x"))
	io.ReadFull(open, make([]byte, 1))
	do(t, p, "refuse")
	if c, err := net.Dial("tcp", p.address()); err == nil {
		c.Close()
		t.Fatal("a connection was not refused")
	}
	there(t, open, random(1000)) // what is open stays
	do(t, p, "accept")
	there(t, dial(t, p), random(1000))
}

func TestStatsCountEachWay(t *testing.T) {
	p := echo(t)
	there(t, dial(t, p), random(5000))
	end := time.Now().Add(60 * time.Second)
	want := "open 0 total 1 up 5000 down 5000"
	for do(t, p, "stats") != want && time.Now().Before(end) {
		time.Sleep(5 * time.Millisecond)
	}
	if got := do(t, p, "stats"); got != want {
		t.Errorf("got %q, not %q", got, want)
	}
}

func TestBadCommandsAreRefused(t *testing.T) {
	p := echo(t)
	for _, line := range []string{"", "delay", "delay -1", "delay x", "delay left 3",
		"bandwidth 3X", "bandwidth", "freeze 1", "up", "explode"} {
		if _, err := p.command(line); err == nil {
			t.Errorf("%q was taken", line)
		}
	}
}
