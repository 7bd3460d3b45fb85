// The producing side of the shared rings (record/ring.h): where the threads of this process put
// their words. One Cpu per QEMU vCPU; each is used by its thread only, so that nothing is locked.
//
// Where nothing can be recorded (the collector is gone, or has ended the recording), words go to a
// ring nobody reads, and the program runs on.
#ifndef MMUSIM_RECORD_PLUGIN_PRODUCER_H_
#define MMUSIM_RECORD_PLUGIN_PRODUCER_H_

#include <string>
#include <string_view>
#include <vector>

#include "record/ring.h"

namespace mmusim::record::plugin {

// One ring as its producer sees it.
struct Producer {
  uint64_t at = 0;     // words written
  uint64_t limit = 0;  // a word at `at` == `limit` needs make_room() first
  uint64_t* words = nullptr;
  RingHead* head = nullptr;  // null: nothing has been attached yet
  uint64_t rung = 0;         // words written when the collector was last told
  uint64_t numbered = 0;     // ... when the last number was taken

  // What is put counts from publish() on: once per block, since the collector's core has to give up
  // its copy of `written` each time.
  void put(uint64_t word) {
    const uint64_t place = at;  // a word stored may be `at`, for all the compiler knows
    words[place & kRingMask] = word;
    at = place + 1;
  }
  void publish() const { head->written.store(at, std::memory_order_release); }
};

// Words of an event, then a blob.
class EventWords {
 public:
  EventWords& word(uint64_t value) {
    words_.push_back(value);
    return *this;
  }
  // Its length, then its bytes.
  EventWords& text(std::string_view value);
  [[nodiscard]] const std::vector<uint64_t>& words() const { return words_; }

 private:
  std::vector<uint64_t> words_;
};

// Maps the shared memory. False: there is none that can be used.
bool open_share(const char* path);
Share* share();

// Gives `producer` a ring. `kind` and `parent...` as EventKind::Start has them.
struct Birth {
  StartKind kind = StartKind::Thread;
  uint32_t parent_process = 0;
  uint32_t parent_thread = 0;
  uint64_t clone_flags = 0;
  uint64_t first_block = 0;
};
void attach(Producer& producer, const Birth& birth);
// The thread ends.
void detach(Producer& producer);
// In a new process, whose rings were its parent's: forgets them.
void forget_rings();

// Makes room for a word at the end: takes a number where one is due, wakes the collector, waits.
// `numbers`: a number may be put before the next word.
void make_room(Producer& producer, bool numbers);

// Puts a number: what follows is later than what any other thread has put before its last number.
void put_head(Producer& producer);
void put_event(Producer& producer, EventKind kind, const EventWords& words);

// Definitions of blocks. Called with the process's lock held.
void define_block(const uint64_t* words, uint64_t count);

// Nothing is recorded any more.
bool stopped();

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_PRODUCER_H_
