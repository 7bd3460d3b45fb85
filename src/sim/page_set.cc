#include "sim/page_set.h"

#include <algorithm>
#include <fmt/format.h>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/random.h"
#include "base/units.h"

namespace mmusim::sim {

namespace {

constexpr const char* kHint =
    "dense:SIZE[:shuffled], stride:STEP:COUNT, random:BITS:COUNT or objects:BITS:COUNT:PAGES";
constexpr uint64_t kMostPages = uint64_t{1} << 28;

[[noreturn]] void wrong(std::string_view text, const std::string& what) {
  throw UsageError(std::string(text), what, kHint);
}

std::vector<std::string_view> parts_of(std::string_view text) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t colon = text.find(':');
    parts.push_back(text.substr(0, colon));
    if (colon == std::string_view::npos) return parts;
    text.remove_prefix(colon + 1);
  }
}

uint64_t number(std::string_view text, std::string_view part, uint64_t most) {
  const auto value = parse_size(part);
  if (!value || *value == 0 || *value > most)
    wrong(text, fmt::format("'{}' is not a number from 1 to {}", part, most));
  return *value;
}

void shuffle(std::vector<VirtAddr>& addresses, Random& random) {
  for (size_t i = addresses.size(); i > 1; --i)
    std::swap(addresses[i - 1], addresses[random.below(i)]);
}

// `count` objects at random places below 2^bits, none over another.
std::vector<VirtAddr> scattered(const PageSet& set, PageShift page) {
  std::vector<VirtAddr> addresses;
  Random random(set.seed);
  const uint64_t slots = (uint64_t{1} << (set.bits - page.log2())) / set.pages;
  if (slots < set.count)
    wrong(set.text, fmt::format("there is no room for so many below 2^{}", set.bits));
  std::unordered_set<uint64_t> taken;
  while (taken.size() < set.count) {
    const uint64_t slot = random.below(slots);
    if (!taken.insert(slot).second) continue;
    for (uint64_t i = 0; i < set.pages; ++i)
      addresses.emplace_back((slot * set.pages + i) << page.log2());
  }
  return addresses;
}

}  // namespace

bool is_page_set(std::string_view text) {
  const std::string_view kind = text.substr(0, text.find(':'));
  return kind.size() < text.size() &&
         (kind == "dense" || kind == "stride" || kind == "random" || kind == "objects");
}

PageSet parse_page_set(std::string_view text, uint64_t seed) {
  const auto parts = parts_of(text);
  PageSet set;
  set.text = text;
  set.seed = seed;
  if (parts[0] == "dense" && (parts.size() == 2 || parts.size() == 3)) {
    set.kind = PageSet::Kind::Dense;
    if (parts.size() == 3 && parts[2] != "shuffled")
      wrong(text, fmt::format("'{}' is not 'shuffled'", parts[2]));
    if (parts.size() == 3) set.kind = PageSet::Kind::Shuffled;
    set.bytes = number(text, parts[1], kMostPages << 12);
  } else if (parts[0] == "stride" && parts.size() == 3) {
    set.kind = PageSet::Kind::Stride;
    set.bytes = number(text, parts[1], uint64_t{1} << 60);
    set.count = number(text, parts[2], kMostPages);
  } else if (parts[0] == "random" && parts.size() == 3) {
    set.kind = PageSet::Kind::Random;
    set.bits = static_cast<unsigned>(number(text, parts[1], 63));
    set.count = number(text, parts[2], kMostPages);
  } else if (parts[0] == "objects" && parts.size() == 4) {
    set.kind = PageSet::Kind::Objects;
    set.bits = static_cast<unsigned>(number(text, parts[1], 63));
    set.count = number(text, parts[2], kMostPages);
    set.pages = number(text, parts[3], uint64_t{1} << 20);
  } else {
    wrong(text, "not a set of pages");
  }
  if (set.pages > kMostPages / std::max<uint64_t>(set.count, 1)) wrong(text, "too many pages");
  return set;
}

std::vector<VirtAddr> addresses_of(const PageSet& set, PageShift page, VirtAddr end) {
  const VirtAddr base(end.value() > uint64_t{1} << 45 ? uint64_t{1} << 44 : uint64_t{1} << 26);
  std::vector<VirtAddr> addresses;
  Random random(set.seed);
  switch (set.kind) {
    case PageSet::Kind::Dense:
    case PageSet::Kind::Shuffled:
      for (uint64_t at = 0; at < set.bytes; at += page.bytes())
        addresses.push_back(base + at);
      if (set.kind == PageSet::Kind::Shuffled) shuffle(addresses, random);
      break;
    case PageSet::Kind::Stride:
      if (set.bytes % page.bytes() != 0) wrong(set.text, "the step is not a multiple of the page");
      if (set.bytes > (end - base) / set.count) wrong(set.text, "beyond the user's addresses");
      for (uint64_t i = 0; i < set.count; ++i)
        addresses.push_back(base + i * set.bytes);
      break;
    case PageSet::Kind::Random:
    case PageSet::Kind::Objects:
      if (set.bits <= page.log2()) wrong(set.text, "less than a page of addresses");
      addresses = scattered(set, page);
      break;
  }
  if (std::any_of(addresses.begin(), addresses.end(),
                  [&](VirtAddr va) { return va.value() > end.value() - page.bytes(); }))
    wrong(set.text, fmt::format("beyond the user's addresses, which end at {:#x}", end.value()));
  return addresses;
}

}  // namespace mmusim::sim
