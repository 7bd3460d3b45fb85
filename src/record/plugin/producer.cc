#include "record/plugin/producer.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "record/futex.h"

namespace mmusim::record::plugin {
namespace {

// Far from where programs and QEMU have anything, so that it is in nobody's way.
constexpr uintptr_t kShareAt = 0x2a0000000000;
constexpr uint64_t kRingBells = kRingWords / 2;

Share* shared = nullptr;
uint64_t void_words[kRingWords];  // the ring nobody reads
RingHead void_head;

Producer definitions;
uint32_t definitions_ring = kNoRing;

void ring_bell() {
  shared->doorbell.fetch_add(1);
  if (shared->collector_sleeps.load() != 0) futex_wake(shared->doorbell);
}

// The collector has ended, perhaps killed: the kernel says so of the lock it held.
bool collector_gone() {
  const int result = pthread_mutex_trylock(&shared->alive);
  if (result == EBUSY) return false;
  if (result == 0 || result == EOWNERDEAD) {
    shared->stop.fetch_or(kStopRecording);
    if (result == EOWNERDEAD) pthread_mutex_consistent(&shared->alive);
    pthread_mutex_unlock(&shared->alive);
  }
  return true;
}

void use_void(Producer& producer) {
  producer.words = void_words;
  producer.head = &void_head;
  producer.limit = UINT64_MAX;
}

uint32_t take_ring(RingState state) {
  const auto process = static_cast<uint32_t>(getpid());
  RingHead* const all = heads_of(*shared);
  bool told = false;
  for (;;) {
    if ((shared->stop.load() & kStopPrograms) != 0) kill(getpid(), SIGKILL);
    if (stopped()) return kNoRing;
    // Each begins to look at another place, so that they do not meet.
    const uint32_t begin = process % shared->rings;
    for (uint32_t i = 0; i < shared->rings; ++i) {
      const uint32_t ring = (begin + i) % shared->rings;
      uint64_t free = ring_state(0, RingState::Free);
      if (all[ring].state.load(std::memory_order_relaxed) != free) continue;
      if (!all[ring].state.compare_exchange_strong(free, ring_state(process, RingState::Claimed)))
        continue;
      // Before a number is taken, so that the collector looks for it.
      shared->registrations.fetch_add(1);
      all[ring].thread.store(static_cast<uint32_t>(syscall(SYS_gettid)));
      all[ring].written.store(0);
      all[ring].consumed.store(0);
      all[ring].claim.store(0);
      all[ring].sleeps.store(0);
      if (told) shared->starved.fetch_sub(1);
      if (state == RingState::Definitions) {
        all[ring].state.store(ring_state(process, state));
        shared->registrations.fetch_add(1);
      }
      return ring;
    }
    if (!told) shared->starved.fetch_add(1);
    told = true;
    ring_bell();
    if (collector_gone()) return kNoRing;
    const timespec moment{0, 5'000'000};
    nanosleep(&moment, nullptr);
  }
}

void use_ring(Producer& producer, uint32_t ring) {
  producer = Producer{};
  producer.words = words_of(*shared, ring);
  producer.head = heads_of(*shared) + ring;
  producer.limit = kRingWords;
}

// Waits until so many words can be written.
void wait_for_room(Producer& producer, uint64_t words = 1) {
  RingHead& head = *producer.head;
  for (;;) {
    const uint64_t room_until = head.consumed.load(std::memory_order_acquire) + kRingWords;
    if (producer.at + words <= room_until) {
      producer.limit = room_until;
      return;
    }
    head.sleeps.store(1);
    ring_bell();
    if (head.consumed.load() + kRingWords >= producer.at + words) {
      head.sleeps.store(0);
      continue;
    }
    futex_wait(head.sleeps, 1, 200'000'000);
    if (stopped() || collector_gone()) {
      use_void(producer);
      return;
    }
  }
}

void put_number_word(Producer& producer, uint64_t tag_and_bits, bool separate) {
  if (producer.head == &void_head) {
    producer.put(tag_and_bits);
    return;
  }
  // Both words of an event count at once, and before the number is not claimed any more.
  RingHead& head = *producer.head;
  head.claim.store(shared->sequence.load());
  const uint64_t number = shared->sequence.fetch_add(1);
  if (separate) {
    producer.put(tag_and_bits);
    producer.put(number);
  } else {
    producer.put(tag_and_bits | number << kTagBits);
  }
  head.written.store(producer.at);
  head.claim.store(0);
}

}  // namespace

EventWords& EventWords::text(std::string_view value) {
  words_.push_back(value.size());
  const size_t at = words_.size();
  words_.resize(at + (value.size() + 7) / 8);
  if (!value.empty()) std::memcpy(words_.data() + at, value.data(), value.size());
  return *this;
}

bool open_share(const char* path) {
  const int file = open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  struct stat status {};
  void* at = MAP_FAILED;
  if (fstat(file, &status) == 0 && static_cast<size_t>(status.st_size) >= sizeof(Share)) {
    at = mmap(reinterpret_cast<void*>(kShareAt), static_cast<size_t>(status.st_size),
              PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
  }
  close(file);
  if (at == MAP_FAILED) return false;
  shared = static_cast<Share*>(at);
  if (shared->magic == kShareMagic && shared->bytes == static_cast<uint64_t>(status.st_size))
    return true;
  munmap(at, static_cast<size_t>(status.st_size));
  shared = nullptr;
  return false;
}

Share* share() {
  return shared;
}

bool stopped() {
  return shared->stop.load(std::memory_order_relaxed) != 0;
}

void attach(Producer& producer, const Birth& birth) {
  if (definitions_ring == kNoRing) {
    definitions_ring = take_ring(RingState::Definitions);
    if (definitions_ring == kNoRing)
      use_void(definitions);
    else
      use_ring(definitions, definitions_ring);
  }
  const uint32_t ring = definitions_ring == kNoRing ? kNoRing : take_ring(RingState::Thread);
  if (ring == kNoRing) {
    use_void(producer);
    return;
  }
  use_ring(producer, ring);
  const auto process = static_cast<uint32_t>(getpid());
  put_event(producer, EventKind::Start,
            EventWords()
                .word(static_cast<uint64_t>(birth.kind))
                .word(process)
                .word(static_cast<uint64_t>(syscall(SYS_gettid)))
                .word(birth.parent_process)
                .word(birth.parent_thread)
                .word(birth.clone_flags)
                .word(definitions_ring)
                .word(birth.first_block));
  // From here on it is the collector's to find.
  producer.head->state.store(ring_state(process, RingState::Thread));
  shared->registrations.fetch_add(1);
  ring_bell();
}

void detach(Producer& producer) {
  if (producer.head != nullptr && producer.head != &void_head) {
    producer.publish();
    producer.head->state.store(ring_state(static_cast<uint32_t>(getpid()), RingState::Ended));
  }
  producer = Producer{};
}

void forget_rings() {
  definitions = Producer{};
  definitions_ring = kNoRing;
}

void make_room(Producer& producer, bool numbers) {
  producer.publish();
  if (producer.at - producer.rung >= kRingBells) {
    producer.rung = producer.at;
    if (stopped()) {
      use_void(producer);
      return;
    }
    ring_bell();
  }
  wait_for_room(producer);
  if (producer.head == &void_head) return;
  if (numbers && producer.at - producer.numbered >= kHeadEvery) {
    put_head(producer);
    wait_for_room(producer);
    if (producer.head == &void_head) return;
  }
  const uint64_t next_bell = producer.rung + kRingBells;
  const uint64_t next_number = producer.numbered + kHeadEvery;
  if (next_bell > producer.at && next_bell < producer.limit) producer.limit = next_bell;
  if (numbers && next_number > producer.at && next_number < producer.limit)
    producer.limit = next_number;
}

void put_head(Producer& producer) {
  if (producer.at == producer.limit) make_room(producer, false);
  put_number_word(producer, kHeadTag, false);
  producer.numbered = producer.at;
}

void put_event(Producer& producer, EventKind kind, const EventWords& words) {
  const std::vector<uint64_t>& all = words.words();
  // The head and its number are written together, so room for both is needed.
  if (producer.at == producer.limit) make_room(producer, false);
  if (producer.limit - producer.at < 2) wait_for_room(producer, 2);
  put_number_word(producer,
                  kEventTag | static_cast<uint64_t>(kind) << kIndexShift |
                      static_cast<uint64_t>(all.size()) << kAddressShift,
                  true);
  for (const uint64_t word : all) {
    if (producer.at == producer.limit) make_room(producer, false);
    producer.put(word);
  }
  producer.publish();
  producer.numbered = producer.at;
}

void define_block(const uint64_t* words, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    if (definitions.at == definitions.limit) make_room(definitions, false);
    definitions.put(words[i]);
  }
  definitions.publish();
}

}  // namespace mmusim::record::plugin
