// The memory that `mmusim record` shares with the plug-in inside each QEMU process: one ring of
// words per thread and one per process for what its blocks are, and one counter that puts system
// calls and other events of all processes into an order. Plain data; both sides include it.
//
// A ring has one producer (a thread of the recorded program) and one consumer (the collector). What
// is written counts when the next block begins, an exception or a system call comes: a process that
// is killed leaves everything but, at most, its last block.
//
// Order. Whoever takes a number of `sequence` sets its ring's `claim` to a lower bound of it first
// and clears it when the word with the number is written. The collector reads `sequence`, then
// claims, then what is written: any word it does not see has a number that is not below the smaller
// of the two (all of it sequentially consistent).
#ifndef MMUSIM_RECORD_RING_H_
#define MMUSIM_RECORD_RING_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <pthread.h>

namespace mmusim::record {

// --- Words of a thread's ring. The lowest seven bits say what one is.

inline constexpr unsigned kTagBits = 7;
inline constexpr uint64_t kTagMask = (uint64_t{1} << kTagBits) - 1;

// 0 to 15: a data access. Bit 0: it is a store; bits 1 to 3: log2 of its bytes. Bits 7 to 15: which
// instruction of the block makes it; bits 16 to 63: its address, sign-extended.
inline constexpr uint64_t kMostMemoryTag = 15;
inline constexpr unsigned kIndexShift = kTagBits;
inline constexpr uint64_t kIndexMask = 0x1ff;
inline constexpr unsigned kAddressShift = 16;
constexpr bool fits_memory_word(uint64_t address) {
  return static_cast<uint64_t>(static_cast<int64_t>(address << kAddressShift) >> kAddressShift) ==
         address;
}
constexpr uint64_t memory_word(uint64_t address, uint64_t index_and_tag) {
  return address << kAddressShift | index_and_tag;
}

constexpr uint64_t index_of(uint64_t word) {
  return (word >> kIndexShift) & kIndexMask;
}

enum Tag : uint64_t {
  kBlockTag = 0x10,  // a block begins; the other bits are its number
  kHeadTag = 0x11,   // the other bits are a sequence number: what follows is later than it
  // An event; bits 7 to 15: an EventKind; bits 16 to 63: how many words follow the next one, which
  // is its sequence number.
  kEventTag = 0x12,
  // An access as above (index in bits 7 to 15), of any size: bit 16: a store; from bit 17: its
  // bytes. The next word is its address.
  kSizedTag = 0x13,
  // The block that was begun ended before one of its instructions (bits 7 to 15): a trap came, and
  // the instruction is executed again in what follows.
  kCutTag = 0x14,
  // SPARC: a register window is stored or loaded (bits as in kSizedTag), 16 registers of 8 bytes.
  // The next word is the address of the first.
  kWindowTag = 0x15,
  // An exception came at the instruction whose address is the next word. If that is one of the
  // block that was begun, the block ended before it.
  kFaultTag = 0x16,
};

// The first word of an access that does not fit in one, of kSizedTag or kWindowTag.
constexpr uint64_t sized_word(Tag tag, uint64_t index, bool store, uint64_t bytes) {
  return tag | index << kIndexShift | uint64_t{store} << kAddressShift |
         bytes << (kAddressShift + 1);
}
constexpr bool sized_is_store(uint64_t word) {
  return (word >> kAddressShift & 1) != 0;
}
constexpr uint64_t sized_bytes(uint64_t word) {
  return word >> (kAddressShift + 1);
}

// Bits of a block's definition that say how it is to be read.
enum BlockFlag : uint64_t {
  kRepeats = 1,  // x86: one instruction with a repeat prefix, executed once per iteration
};

// --- Events, with their words.

enum class EventKind : uint8_t {
  // A thread is there: StartKind; process; thread; for Fork: process and thread that made it,
  // its clone flags; ring of the process's definitions; the number of its first one.
  Start,
  Image,      // a blob: see Blob
  Call,       // Call; result; 6 arguments; blob: a file's name
  Exec,       // a new program is about to be started here; blob: its path
  Exit,       // status as wait4 gives it; 1: the whole process
  Unrecorded  // what follows runs without being recorded; blob: why
};
enum class StartKind : uint8_t { Image, Fork, Thread };

// --- Words of a process's ring of definitions: for each block
//   its number (bits 0 to 31), BlockFlags (32 to 47), instructions (48 to 63);
//   where it starts;
//   the length of each instruction, a byte each, eight to a word.
inline constexpr uint64_t kMostInstructions = 1024;  // of a block; QEMU's own limit is 512
constexpr uint64_t definition_words(uint64_t instructions) {
  return 2 + (instructions + 7) / 8;
}

// --- The memory

inline constexpr uint64_t kRingWords = uint64_t{1} << 18;
inline constexpr uint64_t kRingMask = kRingWords - 1;
inline constexpr uint32_t kNoRing = UINT32_MAX;
// After so many words a thread takes a number, so that threads that make no system calls are woven
// into each other at least that finely.
inline constexpr uint64_t kHeadEvery = uint64_t{1} << 14;

enum class RingState : uint32_t { Free, Claimed, Thread, Definitions, Ended };

struct RingHead {
  std::atomic<uint64_t> state{0};  // process << 32 | RingState
  std::atomic<uint32_t> thread{0};

  alignas(64) std::atomic<uint64_t> written{0};  // words so far, by the producer
  std::atomic<uint64_t> claim{0};

  alignas(64) std::atomic<uint64_t> consumed{0};  // words so far, by the collector
  std::atomic<uint32_t> sleeps{0};                // futex: 1 while the producer waits for room
};
constexpr uint64_t ring_state(uint32_t process, RingState state) {
  return uint64_t{process} << 32 | static_cast<uint32_t>(state);
}
constexpr RingState state_of(uint64_t word) {
  return static_cast<RingState>(static_cast<uint32_t>(word));
}
constexpr uint32_t process_of(uint64_t word) {
  return static_cast<uint32_t>(word >> 32);
}

inline constexpr uint64_t kShareMagic = 0x6d6d7573696d5232;  // with the layout's version at the end
inline constexpr size_t kTextBytes = 16384;

// Bits of what has ended before the programs have.
enum Stop : uint32_t {
  kStopRecording = 1,  // nothing is recorded any more
  kStopPrograms = 2,   // who wants a ring, as every child of fork does, ends
};

struct Share {
  uint64_t magic = kShareMagic;
  uint32_t rings = 0;
  uint64_t heads_offset = 0;  // of RingHead[rings]
  uint64_t words_offset = 0;  // of uint64_t[rings][kRingWords]
  uint64_t bytes = 0;         // of all
  pthread_mutex_t alive;      // robust; the collector holds it as long as it lives
  uint32_t linux_placement = 1;

  alignas(64) std::atomic<uint64_t> sequence{1};
  alignas(64) std::atomic<uint32_t> doorbell{0};  // futex, rung when there is much to collect
  std::atomic<uint32_t> collector_sleeps{0};
  std::atomic<uint32_t> registrations{0};  // changes when rings are taken
  std::atomic<uint32_t> starved{0};        // threads that find no free ring
  std::atomic<uint64_t> unseen{0};         // accesses whose address could not be told
  std::atomic<uint64_t> unplaced{0};       // exceptions of which it could not
  std::atomic<uint32_t> unwatched{0};      // a QEMU does not tell of exceptions
  std::atomic<uint32_t> stop{0};           // Stops

  // Texts, each ended by a 0: how a plug-in starts QEMU for a program that is executed.
  char memory_path[256];   // this memory, as a file
  char plugin_path[4096];  // the plug-in
  char qemu_folder[4096];  // where qemu-* are
  // Further arguments, each ISA:ARGUMENT, one after the other; ended by an empty one.
  char qemu_arguments[kTextBytes];
};

inline RingHead* heads_of(Share& share) {
  return reinterpret_cast<RingHead*>(reinterpret_cast<char*>(&share) + share.heads_offset);
}
inline uint64_t* words_of(Share& share, uint32_t ring) {
  char* const all = reinterpret_cast<char*>(&share) + share.words_offset;
  return reinterpret_cast<uint64_t*>(all) + ring * kRingWords;
}

static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_RING_H_
