// What a page table under test stands on: memory, sink, allocator, format and the backend's
// factory. put_under_witness() (witness.h) has its tables looked at.
#ifndef MMUSIM_PT_CONFORMANCE_MACHINE_H_
#define MMUSIM_PT_CONFORMANCE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/schema.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "mem/word_arena.h"
#include "pt/conformance/journal.h"
#include "pt/conformance/layout.h"
#include "pt/conformance/test_format.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::conformance {

// How closely a machine looks at what its tables read and write.
enum class Scrutiny : uint8_t {
  None,     // not at all: tables are the backend's own, for tests that trust it
  Words,    // the words walk() names, in each walk
  Sampled,  // ... and of some operations, memory under watch, all they touch
  Always,   // ... of all operations: slow
};

struct Machine {
  // The only cache of a machine that looks closely, in lines of 64 bytes: it holds what was
  // reported last.
  static constexpr uint64_t kCacheLines = 64;

  // `settings`: what to configure other than the defaults, as an INI text. `notes` may be null.
  Machine(const Backend& backend, Layout address_space, const std::string& settings = {},
          uint64_t bytes = uint64_t{1} << 30, Scrutiny how_closely = Scrutiny::None,
          Journal* notes = nullptr);

  // From the first address to the last, holes and all.
  [[nodiscard]] VirtRange everything() const { return {VirtAddr(0), spaces.back().end}; }
  // The range of addresses that one is in. REQUIRES: it is in one.
  [[nodiscard]] VirtRange space_of(uint64_t va) const;
  // Bytes from there to the end of its range.
  [[nodiscard]] uint64_t room(uint64_t va) const { return space_of(va).end - VirtAddr(va); }

  std::optional<mem::WordArena> arena;  // first: it goes last
  Scrutiny scrutiny;
  Journal* journal;
  Layout layout;
  PageShift page;
  std::vector<VirtRange> spaces;
  mem::FrameMemory memory;
  // What the sink is made with.
  config::Schema sink_schema;
  config::Config sink_config;
  mem::ReferenceSink sink;
  TableAllocator allocator;
  TestFormat format;
  config::Schema schema;
  Environment environment;
  std::unique_ptr<Factory> backend_factory;  // what is behind `factory` where that is of witnesses
  std::unique_ptr<Factory> factory;
};

// copy_ranges() of one range.
template <class Copy>
Status copy_range(PageTable& from, PageTable& to, VirtRange range, Copy copy) {
  return from.copy_ranges(to, {&range, 1},
                          [&](size_t, Run& source, Run& target) { return copy(source, target); });
}

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_MACHINE_H_
