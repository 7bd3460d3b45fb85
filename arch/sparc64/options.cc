#include "arch/sparc64/options.h"

#include <algorithm>
#include <fmt/format.h>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::sparc64 {

namespace {

const std::vector<PageShift>& known_sizes() {
  static const std::vector<PageShift> kKnown(kSizes.begin(), kSizes.end());
  return kKnown;
}

// Two arrays programmed to one size are looked up together with one index: twice the ways.
void add_set_array(std::vector<tlb::Geometry>& arrays, const tlb::Geometry& array,
                   const std::string& prefix) {
  for (tlb::Geometry& other : arrays) {
    if (other.pages != array.pages) continue;
    if (other.sets() != array.sets() || other.replacement != array.replacement ||
        other.index != array.index)
      throw UsageError(prefix + ".pages",
                       "two arrays of one page size must be alike in sets, index and replacement, "
                       "since a page may be in either");
    other.entries += array.entries;
    other.ways += array.ways;
    return;
  }
  arrays.push_back(array);
}

std::vector<tlb::Geometry> read_side(const config::Config& config, const mmu::LevelDecl& side,
                                     unsigned locked) {
  std::vector<tlb::Geometry> arrays;
  const tlb::ArrayDecl& associative = side.arrays.front();
  for (const tlb::ArrayDecl& set : std::span(side.arrays).subspan(1)) {
    if (set.key == nullptr) continue;
    const tlb::Geometry array = tlb::read_geometry(config, set, known_sizes());
    if (!array.exists()) continue;
    if (array.pages.size() != 1)
      throw UsageError(fmt::format("{}.pages", set.key),
                       "a set-associative TLB is programmed to one page size, which its index "
                       "comes from",
                       "give it one of 8K, 64K, 512K and 4M");
    add_set_array(arrays, array, set.key);
  }
  const std::string prefix = associative.key;
  tlb::Geometry array = tlb::read_geometry(config, associative, known_sizes());
  if (!array.exists())
    throw UsageError(
        prefix + ".entries",
        fmt::format("there must be the {}: it has the kernel's locked entries", associative.what));
  if (array.ways != array.entries)
    throw UsageError(prefix + ".ways",
                     "locked entries may stand anywhere only in a fully associative TLB",
                     fmt::format("make it {}", array.entries));
  if (!array.holds(kLargePage))
    throw UsageError(prefix + ".pages", "the kernel's locked entries are of 4M",
                     "let the fully associative TLB hold 4M");
  if (array.entries <= locked)
    throw UsageError(
        prefix + ".entries",
        fmt::format("the kernel's {} locked entries leave none for anything else", locked),
        "give it more entries, or the kernel fewer (sparc64.image_entries)");
  arrays.push_back(array);
  if (std::none_of(arrays.begin(), arrays.end(),
                   [](const tlb::Geometry& a) { return a.holds(kPage); }))
    throw UsageError(prefix + ".pages",
                     fmt::format("no {} holds base pages, which are 8K", side.shown));
  return arrays;
}

std::string no_tsb_size(uint64_t bytes) {
  if (is_power_of_two(bytes) && bytes >= tsb::bytes_of(0) &&
      bytes <= tsb::bytes_of(tsb::kSizeCodes - 1))
    return "";
  return fmt::format(
      "{} is not a size a TSB can have: 512 entries of 16 bytes times a power of two "
      "up to 128, for the 3-bit size code of the TSB register",
      format_size(bytes));
}
constexpr const char* kTsbSizes = "take 8K, 16K and so on up to 1M";

}  // namespace

const config::Keys<Options>& Options::keys() {
  static const config::Keys<Options> kKeys =
      config::Keys<Options>()
          .part([](config::Schema& schema) { mmu::declare_levels(schema, kTlbs); }, nullptr)
          .number("sparc64.image_entries", &Options::image_entries,
                  "Locked 4M entries that map the kernel's image, on each side.", 1, 16)
          .choice("sparc64.tsb", &Options::tsb,
                  {{"none", TsbMode::None}, {"one", TsbMode::One}, {"two", TsbMode::Two}},
                  "Translation storage buffers of an address space: none, handlers walk the page "
                  "table; one, of all page sizes; two, as Linux: another one for huge pages, once "
                  "there are any.")
          .flag("sparc64.tsb.physical", &Options::tsb_physical,
                "Whether handlers read TSBs by physical addresses (Linux does from UltraSPARC III "
                "Cu on); else each takes a locked entry of the data TLB, once there is one.")
          .size("sparc64.tsb.least", &Options::tsb_least, "Size of the smallest TSB: 8K to 1M.", 0,
                uint64_t{1} << 46)
          .size("sparc64.tsb.most", &Options::tsb_largest,
                "Size up to which TSBs grow with resident memory: 8K to 1M.", 0, uint64_t{1} << 46)
          .rule(
              "sparc64.tsb.least", [](const Options& o) { return no_tsb_size(o.tsb_least); },
              kTsbSizes)
          .rule(
              "sparc64.tsb.most", [](const Options& o) { return no_tsb_size(o.tsb_largest); },
              kTsbSizes)
          .rule("sparc64.tsb.most",
                [](const Options& o) {
                  return o.tsb_largest < o.tsb_least ? std::string("it is below sparc64.tsb.least")
                                                     : std::string();
                })
          .flag("sparc64.linear_map", &Options::linear_map,
                "Whether the kernel's own accesses while it fixes a fault, to the page and its "
                "entry, take data-TLB entries of its linear mapping, 4M each.")
          .number("sparc64.va_bits", &Options::va_bits,
                  "Implemented bits of a virtual address; below 64 there is a hole in the middle.",
                  44, 64)
          .number("sparc64.physical_bits", &Options::physical_bits,
                  "Implemented bits of a physical address; memory must not be larger.", 32, 43)
          .part(nullptr, [](const config::Config& config, Options& options) {
            options.tlb[kItlb] = read_side(config, kTlbs[kItlb], options.locked_fetch());
            options.tlb[kDtlb] = read_side(config, kTlbs[kDtlb], options.locked_data());
          });
  return kKeys;
}

}  // namespace mmusim::sparc64
