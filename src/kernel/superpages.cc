#include "kernel/superpages.h"

#include <algorithm>
#include <fmt/format.h>
#include <string_view>

#include "base/bits.h"
#include "base/error.h"
#include "base/text.h"
#include "base/units.h"
#include "config/keys.h"
#include "kernel/settings.h"

namespace mmusim::kernel {

namespace {

constexpr const char* kSizesAdvice =
    "write sizes with what they are for, as in 64K:always,1M:madvise,2M:inherit,4M:never";

std::optional<HugePages> parse_rule(std::string_view word, const std::string& place) {
  if (word == "inherit") return std::nullopt;
  if (word == "always") return HugePages::Always;
  if (word == "madvise") return HugePages::Advised;
  if (word == "never") return HugePages::Never;
  throw UsageError(place, fmt::format("'{}' does not say where a size may be used", word),
                   kSizesAdvice);
}

PageShift parse_page_size(std::string_view word, PageShift page, const std::string& place,
                          const char* advice) {
  const auto bytes = parse_size(word);
  if (!bytes) throw UsageError(place, fmt::format("'{}' is not a size", word), advice);
  if (!is_power_of_two(*bytes))
    throw UsageError(place, fmt::format("{} is not a power of two: no page has that size", word),
                     advice);
  if (*bytes <= page.bytes())
    throw UsageError(place,
                     fmt::format("{} is not larger than a page, which has {} on this machine", word,
                                 format_size(page.bytes())),
                     advice);
  return PageShift(log2_floor(*bytes));
}

std::vector<std::string_view> items_of(std::string_view text) {
  return text.empty() ? std::vector<std::string_view>() : list_items(text);
}

template <class Rule>
void refuse_twice(const std::vector<Rule>& rules, PageShift size, const std::string& place,
                  const char* advice) {
  if (std::any_of(rules.begin(), rules.end(),
                  [&](const Rule& other) { return other.size == size; }))
    throw UsageError(place, fmt::format("{} is named twice", format_size(size.bytes())), advice);
}

template <class Rule>
void sort_by_size(std::vector<Rule>& rules) {
  std::sort(rules.begin(), rules.end(),
            [](const Rule& a, const Rule& b) { return a.size < b.size; });
}

}  // namespace

std::vector<SizeRule> parse_sizes(const std::string& text, PageShift page,
                                  const std::string& place) {
  std::vector<SizeRule> rules;
  for (const std::string_view item : items_of(text)) {
    const size_t colon = item.find(':');
    const PageShift size = parse_page_size(item.substr(0, colon), page, place, kSizesAdvice);
    refuse_twice(rules, size, place, kSizesAdvice);
    rules.push_back({size, colon == std::string_view::npos
                               ? std::nullopt
                               : parse_rule(item.substr(colon + 1), place)});
  }
  sort_by_size(rules);
  return rules;
}

std::vector<PoolRule> parse_pools(const std::string& text, PageShift page,
                                  const std::string& place) {
  constexpr const char* kAdvice = "write sizes with how many pages each pool has, as in 64K:100";
  constexpr uint64_t kMost = uint64_t{1} << 24;
  std::vector<PoolRule> rules;
  for (const std::string_view item : items_of(text)) {
    const size_t colon = item.find(':');
    const PageShift size = parse_page_size(item.substr(0, colon), page, place, kAdvice);
    const auto pages = colon == std::string_view::npos ? std::optional<uint64_t>()
                                                       : parse_count(item.substr(colon + 1));
    if (!pages || *pages > kMost)
      throw UsageError(place, fmt::format("'{}' does not say how many pages", item), kAdvice);
    refuse_twice(rules, size, place, kAdvice);
    rules.push_back({size, *pages});
  }
  sort_by_size(rules);
  return rules;
}

bool asks_for_superpages(const config::Config& config) {
  return !config.text("kernel.thp.sizes").empty() || !config.text("kernel.hugetlb.pools").empty();
}

std::vector<PageShift> leaf_sizes(const config::Config& config, const pt::RadixGeometry& geometry,
                                  PageShift page) {
  std::vector<PageShift> sizes = pt::leaf_sizes_of(geometry, page);
  const Settings settings = Settings::keys().read(config);
  const bool leaves = settings.superpage_style == SuperpageStyle::Auto ||
                      settings.superpage_style == SuperpageStyle::Leaf;
  if (leaves)
    for (const SizeRule& rule :
         parse_sizes(settings.thp_sizes, page, config.place_of("kernel.thp.sizes")))
      sizes.push_back(rule.size);
  for (const PoolRule& rule :
       parse_pools(settings.hugetlb_pools, page, config.place_of("kernel.hugetlb.pools")))
    sizes.push_back(rule.size);
  std::sort(sizes.begin(), sizes.end());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  return sizes;
}

}  // namespace mmusim::kernel
