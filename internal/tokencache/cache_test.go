package tokencache

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	lru "github.com/hashicorp/golang-lru/v2"
)

func TestCache_Table(t *testing.T) {
	for _, size := range []int{1, 2, 7, 16, 100, 1000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			c := New[int](size)
			if _, ok := c.Get("a"); ok {
				t.Error("an empty cache has a")
			}
			c.Add("a", 1)
			c.Add("a", 2)
			if v, ok := c.Get("a"); !ok || v != 2 || c.Len() != 1 {
				t.Errorf("got %d, %t of %d", v, ok, c.Len())
			}
			c.Remove("b")
			c.Remove("a")
			if _, ok := c.Get("a"); ok || c.Len() != 0 {
				t.Errorf("a is still there after its removal, of %d", c.Len())
			}
			for i := range 20 * size {
				c.Add(strconv.Itoa(i), i)
				if v, ok := c.Get(strconv.Itoa(i)); !ok || v != i {
					t.Fatalf("%d: got %d, %t", i, v, ok)
				}
			}
			if c.Len() != size {
				t.Errorf("holds %d, want %d", c.Len(), size)
			}
		})
	}
}

func TestCache_OfSizeNothing(t *testing.T) {
	c := New[int](0)
	c.Add("a", 1)
	c.Add("b", 2)
	if c.Len() != 1 {
		t.Errorf("holds %d, want 1", c.Len())
	}
}

// What a cache of one set displaces is what was not used for longest.
func TestCache_DisplacesTheOldest(t *testing.T) {
	c := New[int](3)
	for i, token := range []string{"a", "b", "c"} {
		c.Add(token, i)
	}
	c.Get("a")
	c.Add("d", 3)
	c.Get("c")
	c.Add("e", 4)
	for token, want := range map[string]bool{"a": false, "b": false, "c": true, "d": true, "e": true} {
		if _, ok := c.Get(token); ok != want {
			t.Errorf("%s is there: %t", token, ok)
		}
	}
}

// A token with the hash of another one, or with its signature, is not taken
// for it.
func TestCache_ComparesTokensInFull(t *testing.T) {
	c := New[int](4)
	end := strings.Repeat("s", 100)
	c.Add("a"+end, 1)
	if _, ok := c.Get("b" + end); ok {
		t.Error("b was found for a")
	}
	s, hash := c.place("a" + end)
	if _, e := s.find("c", hash); e != nil {
		t.Error("c was found under the hash of a")
	}
}

// Of tokens that fill half of the cache, nearly all stay.
func TestCache_FewConflicts(t *testing.T) {
	c := New[int](4096)
	for i := range 2048 {
		c.Add(strconv.Itoa(i), i)
	}
	if n := c.Len(); n < 2000 {
		t.Errorf("%d of 2048 stayed", n)
	}
}

func TestCache_Concurrent(t *testing.T) {
	c := New[int](40)
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 5000 {
				n := (i*7 + g) % 100
				token := strconv.Itoa(n)
				switch v, ok := c.Get(token); {
				case ok && v != n:
					t.Errorf("%s has %d", token, v)
				case !ok:
					c.Add(token, n)
				case i%50 == 0:
					c.Remove(token)
				}
			}
		})
	}
	wg.Wait()
	if c.Len() > 40 {
		t.Errorf("holds %d, want at most 40", c.Len())
	}
}

func TestCache_HitsAllocateNothing(t *testing.T) {
	c := New[*int](100)
	token := strings.Repeat("x", 900)
	c.Add(token, new(int))
	if n := testing.AllocsPerRun(100, func() { c.Get(token) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkHits compares with one LRU behind one lock: run it with -cpu 1,2.
func BenchmarkHits(b *testing.B) {
	const size = 1000
	tokens := make([]string, size/2)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("%0900d", i)
	}
	hits := func(get func(string) bool) func(*testing.B) {
		return func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					get(tokens[i%len(tokens)])
				}
			})
		}
	}
	sets := New[int](size)
	one, err := lru.New[string, int](size)
	if err != nil {
		b.Fatal(err)
	}
	for i, token := range tokens {
		sets.Add(token, i)
		one.Add(token, i)
	}
	b.Run("sets", hits(func(token string) bool { _, ok := sets.Get(token); return ok }))
	b.Run("lru", hits(func(token string) bool { _, ok := one.Get(token); return ok }))
}
