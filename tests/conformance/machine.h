// What a page table under test stands on: memory, sink, allocator, format and the backend's
// factory.
#ifndef MMUSIM_TESTS_CONFORMANCE_MACHINE_H_
#define MMUSIM_TESTS_CONFORMANCE_MACHINE_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/mlpt/shape.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"
#include "tests/conformance/test_format.h"

namespace mmusim::pt {

// An architecture: its page and levels. Backends that are no radix trees take from it the leaf
// sizes and the size of the address space.
struct Architecture {
  const char* name;
  unsigned page;
  const char* levels;
};

inline const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> kArchitectures = {
      {"two", 12, "12:10:leaf,22:10:leaf"},
      {"pae", 12, "12:9:leaf,21:9:leaf,30:2"},
      {"ia64", 14, "14:11:leaf,25:11,36:11"},
      {"x86_64", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9"},
      {"la57", 12, "12:9:leaf,21:9:leaf,30:9:leaf,39:9,48:9"},
      {"odd", 12, "12:3:leaf,15:2:leaf,17:4,21:5:leaf,26:6"},
      {"full64", 16, "16:12:leaf,28:12:leaf,40:12,52:12"},
  };
  return kArchitectures;
}

struct Machine {
  // `settings`: what to configure other than the defaults, as an INI text.
  Machine(const Backend& backend, const Architecture& architecture, const char* settings = "",
          uint64_t bytes = uint64_t{1} << 30)
      : page(architecture.page), memory(bytes, page), allocator(memory), format(page) {
    backend.declare(schema);
    config::Config config(schema);
    config.load_text(settings, "the variant's settings");
    environment = {.sink = &sink,
                   .allocator = &allocator,
                   .format = &format,
                   .geometry = mlpt::parse_levels(architecture.levels),
                   .page = page};
    factory = backend.make(config, environment);
    const RadixLevel& top = environment.geometry.back();
    const unsigned bits = top.shift + top.index_bits;
    // Where the last page of a 64-bit space ends cannot be written; that page is left out.
    end = bits == 64 ? ~uint64_t{0} - page.offset_mask() : uint64_t{1} << bits;
  }

  [[nodiscard]] VirtRange everything() const { return {VirtAddr(0), VirtAddr(end)}; }

  PageShift page;
  mem::FrameMemory memory;
  mem::ReferenceSink sink;
  TableAllocator allocator;
  TestFormat format;
  config::Schema schema;
  Environment environment;
  std::unique_ptr<Factory> factory;
  uint64_t end = 0;  // of the address space
};

// copy_ranges() of one range.
template <class Copy>
Status copy_range(PageTable& from, PageTable& to, VirtRange range, Copy copy) {
  return from.copy_ranges(to, {&range, 1},
                          [&](size_t, Run& source, Run& target) { return copy(source, target); });
}

// Other ways to configure a backend than its defaults, which are tested too, on the architectures
// that differ most.
struct Variant {
  const char* name;
  const char* backend;
  const char* settings;
};
inline const std::vector<Variant>& variants() {
  static const std::vector<Variant> kVariants = {
      {"wide", "gpt", "[pt.gpt]\nwidest = 12\ninflate = 75\nhalve = 40\n"},
      {"narrow", "gpt", "[pt.gpt]\nwidest = 3\n"},
      {"binary", "gpt", "[pt.gpt]\norder = 1\n"},
      {"fixed", "gpt", "[pt.gpt]\norder = 8\n"},
      {"eager", "gpt", "[pt.gpt]\ncollapse = eager\n"},
      {"eager_fixed", "gpt", "[pt.gpt]\ncollapse = eager\norder = 5\n"},
  };
  return kVariants;
}

// A backend on an architecture: what the suite is parameterised over.
struct Subject {
  const Backend* backend;
  const Architecture* architecture;
  const Variant* variant;  // null: as it is by default
  [[nodiscard]] const char* settings() const { return variant == nullptr ? "" : variant->settings; }
};
inline std::vector<Subject> subjects() {
  std::vector<Subject> all;
  for (const Backend& backend : backends())
    for (const Architecture& architecture : architectures()) {
      all.push_back({&backend, &architecture, nullptr});
      if (std::string_view("odd x86_64 full64").find(architecture.name) == std::string_view::npos)
        continue;
      for (const Variant& variant : variants())
        if (std::string_view(variant.backend) == backend.name)
          all.push_back({&backend, &architecture, &variant});
    }
  return all;
}
inline std::string name_of(const Subject& subject) {
  std::string name = subject.backend->name;
  if (subject.variant != nullptr) name += std::string("_") + subject.variant->name;
  return name + "_" + subject.architecture->name;
}
inline void PrintTo(const Subject& subject, std::ostream* out) {
  *out << name_of(subject);
}

}  // namespace mmusim::pt

#endif  // MMUSIM_TESTS_CONFORMANCE_MACHINE_H_
