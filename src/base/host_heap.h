// Where the host's memory for what a simulation allocates comes from.
#ifndef MMUSIM_BASE_HOST_HEAP_H_
#define MMUSIM_BASE_HOST_HEAP_H_

namespace mmusim {

// From here on the process's heap grows in one piece, in the host's huge pages where it has some to
// give: what several machines are made of is some tens of MB that are walked again and again, so
// that small pages cost faults as they are first touched and TLB misses of the host's after that
// (measured: a seventh of the time of a pass of twelve machines, and 5 MB more). Further threads
// have it too, and not the heaps that the C library would make for them, which grow by small pages
// (two threads, twelve machines: 10,000 faults for each of which a simulation waits). To be called
// before threads are begun; once is enough. Nothing goes wrong where the host says no, and nothing
// but time hangs on it.
void prefer_huge_heap();

}  // namespace mmusim

#endif  // MMUSIM_BASE_HOST_HEAP_H_
