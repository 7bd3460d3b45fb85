// What the collector knows of a process and of a thread; inside collector*.cc only.
#ifndef MMUSIM_RECORD_COLLECTOR_STATE_H_
#define MMUSIM_RECORD_COLLECTOR_STATE_H_

#include "record/collector.h"

namespace mmusim::record {

struct Collector::Process {
  uint32_t id = 0;
  int handle = -1;  // a pidfd: readable once the process has ended
  Definitions definitions;
  uint32_t definitions_ring = kNoRing;
  uint64_t definitions_read = 0;
  std::vector<uint64_t> definition_words;  // of one that is not all there yet
  size_t threads = 0;                      // that have begun and not ended
  std::set<uint32_t> announced;            // threads told of once: by themselves or their maker
  bool dead = false;                       // says the kernel
  bool exited = false;                     // says the trace
  bool started = false;                    // has a ring, or had one
  uint32_t sleeping_parent = 0;            // thread of it that waits for this child of vfork
  std::optional<int32_t> status;           // where the kernel said it
};

struct Collector::Stream {
  uint32_t ring = kNoRing;
  Process* process = nullptr;
  trace::ThreadId id;
  uint64_t read = 0;      // words
  uint64_t there = 0;     // words written when this round began
  bool complete = false;  // nothing more will come
  bool ended = false;     // what still comes is not the program's any more
  bool sleeps = false;    // in vfork
  // A child it is making, which said so itself before this thread had returned from the call; it
  // may have ended by then.
  uint32_t child_ahead = 0;

  // A number was met: nothing is read until its turn.
  bool at_number = false;
  uint64_t number = 0;
  bool is_event = false;
  EventKind kind = EventKind::Start;
  uint64_t event_size = 0;
  std::vector<uint64_t> event;

  // The block being executed, and what it has accessed so far.
  Definition* block = nullptr;
  uint64_t block_number = 0;
  uint64_t index_base = 0;      // of a repeated instruction: its place in the block
  bool joins = false;           // the next access may belong to the last one
  uint64_t sized_word = 0;      // the word before one without a tag; 0: none
  std::vector<uint16_t> words;  // as they came, without their addresses
  bool plain = true;            // they are all there is
  std::vector<Access> accesses;
  std::vector<uint64_t> addresses;
};

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_COLLECTOR_STATE_H_
