// Sleeping until a word of shared memory changes (futex(2)).
#ifndef MMUSIM_RECORD_FUTEX_H_
#define MMUSIM_RECORD_FUTEX_H_

#include <atomic>
#include <climits>
#include <cstdint>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mmusim::record {

// Whoever waits for it goes on.
inline void futex_wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}
// At most so long, below a second; not at all if the word has another value.
inline void futex_wait(std::atomic<uint32_t>& word, uint32_t value, long nanoseconds) {
  const timespec patience{0, nanoseconds};
  syscall(SYS_futex, &word, FUTEX_WAIT, value, &patience, nullptr, 0);
}

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_FUTEX_H_
