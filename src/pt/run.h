// Adjacent slots of one leaf size, `count` of them, mapping [start, start + count * size.bytes()).
// Slots may hold kNone. Read and write entries with get/set: a leaf that is replicated over several
// slots stays replicated, and 4-byte entries are widened.
#ifndef MMUSIM_PT_RUN_H_
#define MMUSIM_PT_RUN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/error.h"
#include "base/types.h"
#include "mem/sink.h"
#include "pt/entry.h"

namespace mmusim::pt {

class Run {
 public:
  VirtAddr start;
  PageShift size;
  uint32_t count = 0;
  bool shared = false;  // as in Lookup (page_table.h)

  [[nodiscard]] Entry get(uint32_t i) const {
    return load(words_ + static_cast<size_t>(i) * replicas_ * stride_);
  }
  void set(uint32_t i, Entry e) {
    std::byte* word = words_ + static_cast<size_t>(i) * replicas_ * stride_;
    for (uint32_t r = 0; r < replicas_; ++r)
      store(word + static_cast<size_t>(r) * stride_, e);
  }
  [[nodiscard]] VirtAddr address(uint32_t i) const {
    return start + (static_cast<uint64_t>(i) << size.log2());
  }
  // The loops over all entries, which keep in registers what get() and set() must look up each
  // time: an order of magnitude, where little is done per entry. f(i, e) may change e.
  template <class F>
  void for_each(F f) {
    if (plain()) {
      Entry* const words = plain_words();
      for (uint32_t i = 0; i < count; ++i)
        f(i, words[i]);
      return;
    }
    Run run = *this;  // whose fields no store into words can be taken to change
    for (uint32_t i = 0; i < run.count; ++i) {
      const Entry old = run.get(i);
      Entry e = old;
      f(i, e);
      if (e != old) run.set(i, e);
    }
  }
  // Two runs side by side: f(i, a, b). REQUIRES: equal counts.
  template <class F>
  static void for_each_pair(Run& first, Run& second, F f) {
    MMUSIM_ASSERT(first.count == second.count);
    if (first.plain() && second.plain()) {
      Entry* const a = first.plain_words();
      Entry* const b = second.plain_words();
      const uint32_t count = first.count;
      for (uint32_t i = 0; i < count; ++i)
        f(i, a[i], b[i]);
      return;
    }
    Run one = first;
    Run two = second;
    for (uint32_t i = 0; i < one.count; ++i) {
      const Entry old_a = one.get(i);
      const Entry old_b = two.get(i);
      Entry a = old_a;
      Entry b = old_b;
      f(i, a, b);
      if (a != old_a) one.set(i, a);
      if (b != old_b) two.set(i, b);
    }
  }
  // The same run from slot `first` on, `n` slots long.
  [[nodiscard]] Run part(uint32_t first, uint32_t n) const;
  // Reports `reads` and `writes` of this run's words to the sink (0 or count each, or in between
  // where fewer were touched).
  void report(mem::ReferenceSink& sink, mem::Origin origin, uint64_t reads, uint64_t writes) const;

  // For backends: where the words are.
  struct Place {
    void* words = nullptr;    // on the host: the first slot's entry
    PhysAddr address;         // the same, simulated
    uint32_t stride = 8;      // bytes from slot to slot
    uint32_t replicas = 1;    // slots per leaf
    uint8_t entry_bytes = 8;  // 8, or 4
    uint8_t level = 0;
  };
  void place(const Place& place) {
    words_ = static_cast<std::byte*>(place.words);
    stride_ = place.stride;
    replicas_ = place.replicas;
    narrow_ = place.entry_bytes == sizeof(uint32_t);
    physical_ = place.address;
    level_ = place.level;
  }

 private:
  // 8-byte entries one after the other.
  [[nodiscard]] bool plain() const {
    return stride_ == sizeof(Entry) && replicas_ == 1 && !narrow_;
  }
  [[nodiscard]] Entry* plain_words() const { return reinterpret_cast<Entry*>(words_); }
  [[nodiscard]] Entry load(const std::byte* word) const {
    if (narrow_) {
      uint32_t e = 0;
      std::memcpy(&e, word, sizeof e);
      return e;
    }
    Entry e = kNone;
    std::memcpy(&e, word, sizeof e);
    return e;
  }
  void store(std::byte* word, Entry e) const {
    if (narrow_) {
      const auto low = static_cast<uint32_t>(e);
      std::memcpy(word, &low, sizeof low);
    } else {
      std::memcpy(word, &e, sizeof e);
    }
  }

  std::byte* words_ = nullptr;
  uint32_t stride_ = 8;
  uint32_t replicas_ = 1;
  bool narrow_ = false;
  PhysAddr physical_;
  uint8_t level_ = 0;
};

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_RUN_H_
