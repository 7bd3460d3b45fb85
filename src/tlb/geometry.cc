#include "tlb/geometry.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "config/keys.h"

namespace mmusim::tlb {

namespace {

const std::vector<config::Named<Replacement>> kReplacements = {{"lru", Replacement::Lru},
                                                               {"plru", Replacement::Plru},
                                                               {"fifo", Replacement::Fifo},
                                                               {"random", Replacement::Random},
                                                               {"used", Replacement::Used}};

// A geometry as it is written: what its page sizes are depends on the machine.
struct Written : Geometry {
  std::string sizes;
};

config::Keys<Written> keys_of(const ArrayDecl& array) {
  Written standard;
  standard.entries = array.defaults.entries;
  standard.ways = array.defaults.ways;
  standard.sizes = array.defaults.pages;
  config::Keys<Written> keys(standard);
  const std::string prefix = array.key;
  keys.number(prefix + ".entries", &Written::entries,
              fmt::format("Entries of the {}; 0: there is none.", array.what), 0,
              Geometry::kMostEntries)
      .number(prefix + ".ways", &Written::ways,
              "Ways of each set (as many as entries: fully associative); entries / ways is a "
              "power of two.",
              1, Geometry::kMostEntries)
      .text(prefix + ".pages", &Written::sizes,
            "Page sizes its entries can have, separated by commas.")
      .choice(prefix + ".replacement", &Written::replacement, kReplacements,
              "Which entry of a full set makes room for a new one: lru, the one used longest ago; "
              "plru, a tree of one-bit pointers; fifo, the one filled longest ago; random; used, "
              "the first whose used bit is clear, all of which are cleared when none is.")
      .number(prefix + ".seed", &Written::seed, "Seed of random replacement.")
      .choice(prefix + ".index", &Written::index, {{"low", Index::Low}, {"xor", Index::Xor}},
              "Which set a page is in, of 2^n: low, by the low n bits of the page number; xor, by "
              "those XORed with the next n.");
  return keys;
}

std::string list_of(const std::vector<PageShift>& sizes) {
  std::string text;
  for (PageShift size : sizes) {
    if (!text.empty()) text += ", ";
    text += format_size(size.bytes());
  }
  return text;
}

}  // namespace

const char* name_of(Replacement replacement) {
  return kReplacements[static_cast<size_t>(replacement)].name;
}

bool Geometry::holds(PageShift size) const {
  return std::find(pages.begin(), pages.end(), size) != pages.end();
}

void declare_geometry(config::Schema& schema, const ArrayDecl& array) {
  keys_of(array).declare(schema);
}

std::vector<PageShift> parse_pages(std::string_view text, const std::vector<PageShift>& known,
                                   const std::string& where) {
  std::vector<PageShift> pages;
  for (const std::string_view item : list_items(text)) {
    const std::string_view word = trimmed(item);
    const auto bytes = parse_size(word);
    const auto match = std::find_if(known.begin(), known.end(), [&](PageShift size) {
      return bytes.has_value() && size.bytes() == *bytes;
    });
    if (match == known.end())
      throw UsageError(where, fmt::format("'{}' is not a page size of this machine", word),
                       fmt::format("use a list of {}", list_of(known)));
    if (std::find(pages.begin(), pages.end(), *match) != pages.end())
      throw UsageError(where, fmt::format("page size {} is given twice", word));
    pages.push_back(*match);
  }
  std::sort(pages.begin(), pages.end());
  return pages;
}

Geometry read_geometry(const config::Config& config, const ArrayDecl& array,
                       const std::vector<PageShift>& known) {
  const Written written = keys_of(array).read(config);
  const std::string prefix = array.key;
  if (!written.exists()) return {};
  const uint32_t entries = written.entries;
  const uint32_t ways = written.ways;
  const std::string where = config.place_of(prefix + ".ways");
  if (ways > entries)
    throw UsageError(where, fmt::format("{} ways, but {}.entries is {}", ways, prefix, entries),
                     "use at most as many ways as entries; as many are fully associative");
  if (entries % ways != 0)
    throw UsageError(
        where, fmt::format("{}.entries = {} is not a multiple of {} ways", prefix, entries, ways));
  if (!is_power_of_two(written.sets()))
    throw UsageError(where,
                     fmt::format("{} entries in {} ways make {} sets, which is not a power of two",
                                 entries, ways, written.sets()),
                     "change entries or ways");
  Geometry geometry = written;
  geometry.pages = parse_pages(written.sizes, known, config.place_of(prefix + ".pages"));
  return geometry;
}

}  // namespace mmusim::tlb
