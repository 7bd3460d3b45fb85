#include "tlb/geometry.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>

#include "base/bits.h"
#include "base/error.h"
#include "base/units.h"

namespace mmusim::tlb {

namespace {

constexpr const char* kNames[] = {"lru", "plru", "fifo", "random", "used"};
constexpr const char* kIndexNames[] = {"low", "xor"};

// "skylake.cfg:12: tlb.l1d.ways" reads better than either alone.
std::string place_of(const config::Config& config, const std::string& key) {
  const std::string& origin = config.origin(key);
  return origin.empty() || origin == "default" ? key : origin + ": " + key;
}

std::string list_of(const std::vector<PageShift>& sizes) {
  std::string text;
  for (PageShift size : sizes) {
    if (!text.empty()) text += ", ";
    text += format_size(size.bytes());
  }
  return text;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

}  // namespace

const char* name_of(Replacement replacement) {
  return kNames[static_cast<unsigned>(replacement)];
}

bool Geometry::holds(PageShift size) const {
  return std::find(pages.begin(), pages.end(), size) != pages.end();
}

void declare_geometry(config::Schema& schema, const std::string& prefix, const std::string& what,
                      const GeometryDefaults& defaults) {
  schema.number(prefix + ".entries", defaults.entries,
                fmt::format("Entries of the {}; 0: there is none.", what), 0,
                Geometry::kMostEntries);
  schema.number(prefix + ".ways", defaults.ways,
                "Ways of each set (as many as entries: fully associative); entries / ways is a "
                "power of two.",
                1, Geometry::kMostEntries);
  schema.text(prefix + ".pages", defaults.pages,
              "Page sizes its entries can have, separated by commas.");
  schema.choice(
      prefix + ".replacement", "lru", {std::begin(kNames), std::end(kNames)},
      "Which entry of a full set makes room for a new one: lru, the one used longest ago; "
      "plru, a tree of one-bit pointers; fifo, the one filled longest ago; random; used, "
      "the first whose used bit is clear, all of which are cleared when none is.");
  schema.number(prefix + ".seed", 1, "Seed of random replacement.");
  schema.choice(
      prefix + ".index", "low", {std::begin(kIndexNames), std::end(kIndexNames)},
      "Which set a page is in, of 2^n: low, by the low n bits of the page number; xor, by "
      "those XORed with the next n.");
}

std::vector<PageShift> parse_pages(std::string_view text, const std::vector<PageShift>& known,
                                   const std::string& where) {
  std::vector<PageShift> pages;
  while (true) {
    const size_t comma = text.find(',');
    const std::string_view word = trimmed(text.substr(0, comma));
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
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  std::sort(pages.begin(), pages.end());
  return pages;
}

Geometry read_geometry(const config::Config& config, const std::string& prefix,
                       const std::vector<PageShift>& known) {
  Geometry geometry;
  const uint64_t entries = config.number(prefix + ".entries");
  if (entries == 0) return geometry;
  const uint64_t ways = config.number(prefix + ".ways");
  const std::string where = place_of(config, prefix + ".ways");
  if (ways > entries)
    throw UsageError(where, fmt::format("{} ways, but {}.entries is {}", ways, prefix, entries),
                     "use at most as many ways as entries; as many are fully associative");
  if (entries % ways != 0)
    throw UsageError(
        where, fmt::format("{}.entries = {} is not a multiple of {} ways", prefix, entries, ways));
  if (!is_power_of_two(entries / ways))
    throw UsageError(where,
                     fmt::format("{} entries in {} ways make {} sets, which is not a power of two",
                                 entries, ways, entries / ways),
                     "change entries or ways");
  geometry.entries = static_cast<uint32_t>(entries);
  geometry.ways = static_cast<uint32_t>(ways);
  geometry.seed = config.number(prefix + ".seed");
  geometry.pages =
      parse_pages(config.text(prefix + ".pages"), known, place_of(config, prefix + ".pages"));
  const std::string& policy = config.choice(prefix + ".replacement");
  for (unsigned i = 0; i < std::size(kNames); ++i)
    if (policy == kNames[i]) geometry.replacement = static_cast<Replacement>(i);
  const std::string& index = config.choice(prefix + ".index");
  for (unsigned i = 0; i < std::size(kIndexNames); ++i)
    if (index == kIndexNames[i]) geometry.index = static_cast<Index>(i);
  return geometry;
}

}  // namespace mmusim::tlb
