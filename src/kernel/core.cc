#include "kernel/core.h"

#include <algorithm>
#include <fmt/format.h>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "kernel/pool_page.h"
#include "kernel/superpage_policy.h"

namespace mmusim::kernel {

namespace {

std::unique_ptr<Rmap> make_rmap(const Platform& platform, const Settings& settings) {
  if (settings.swap_pages == 0 && settings.shared_table_bytes == 0) return nullptr;
  return std::make_unique<Rmap>(*platform.format, platform.page);
}

std::unique_ptr<SwapSpace> make_swap(const Platform& platform, const Settings& settings) {
  if (settings.swap_pages == 0) return nullptr;
  return std::make_unique<SwapSpace>(*platform.format, settings.swap_pages);
}

bool can_refuse_fetches(const Platform& platform) {
  const pt::EntryFormat& format = *platform.format;
  const pt::Entry readable = format.make_leaf(
      {.pfn = Pfn(1), .size = platform.page, .rights = Rights(Rights::kRead | Rights::kUser)});
  return !format.parse_leaf(readable, platform.page).rights.has(Rights::kExec);
}

}  // namespace

Core::Core(const config::Config& config, const Platform& platform_)
    : platform(platform_),
      settings(Settings::from(config, platform_)),
      sizes{.base = platform_.page, .huge = std::nullopt},
      cache(*platform_.frames, uint64_t{1} << settings.folio_order, !settings.cold_files),
      pools(*platform_.frames),
      rmap(make_rmap(platform, settings)),
      swap(make_swap(platform, settings)),
      counts(*platform.frames),
      flushes(*platform.tlbs, sizes, counters),
      accounts(*platform.tables, counters),
      huge_leaves(*platform.tables, sizes, counters),
      page_frames(platform, sizes, pools, rmap.get(), swap.get(), counts, counters),
      files(platform, settings, sizes, cache, pools, page_frames, swap.get(), counters),
      places(settings.aslr_seed),
      refuses_fetches_(can_refuse_fetches(platform)) {
  if (swap != nullptr) cache.report_to(*rmap);
}

Core::~Core() = default;

void Core::find_sizes(const pt::PageTable& table) {
  const std::vector<PageShift> leaves = table.capabilities().leaf_sizes;
  const auto has_leaf = [&](PageShift size) {
    return std::find(leaves.begin(), leaves.end(), size) != leaves.end();
  };
  if (platform.huge && *platform.huge > page() &&
      sizes.order(*platform.huge) <= mem::FrameMemory::kMaxOrder && has_leaf(*platform.huge))
    sizes.huge = platform.huge;
  sizes.huge_when = settings.thp;
  for (const SizeRule& rule : settings.size_rules) {
    const HugePages when = rule.when.value_or(settings.thp);
    if (rule.size == sizes.huge)
      sizes.huge_when = settings.thp == HugePages::Disabled ? settings.thp : when;
    else
      add_block_size(rule.size, when, has_leaf(rule.size));
  }
  if (sizes.huge) huge_leaves.set_reserve(*sizes.huge, table.split_reserve(*sizes.huge, page()));
  for (const BlockSize& block : sizes.blocks)
    if (block.is_leaf())
      huge_leaves.set_reserve(block.size, table.split_reserve(block.size, page()));
  find_parts(table, leaves);
  if (settings.superpage_policy != SuperpagePolicyKind::Fault) leave_to_policy();
  fill_pools(leaves);
}

// What superpages may be demoted to.
void Core::find_parts(const pt::PageTable& table, const std::vector<PageShift>& leaves) {
  const auto add = [this](std::vector<PageShift>& parts, PageShift size) {
    if (size > page() && size < sizes.largest() && a_tlb_holds(size)) parts.push_back(size);
  };
  switch (settings.superpage_demotion) {
    case SuperpageDemotion::Base:
      return;
    case SuperpageDemotion::Binary:
      for (const PageShift size : leaves)
        add(sizes.leaf_parts, size);
      for (const PageShift size : platform.format->hint_sizes())
        add(sizes.hint_parts, size);
      break;
    case SuperpageDemotion::Step:
      for (const BlockSize& block : sizes.blocks)
        if (block.style != SuperpageStyle::Base)
          add(block.is_leaf() ? sizes.leaf_parts : sizes.hint_parts, block.size);
      if (sizes.huge) add(sizes.leaf_parts, *sizes.huge);
      std::sort(sizes.leaf_parts.begin(), sizes.leaf_parts.end());
      break;
  }
  for (const PageShift size : sizes.leaf_parts)
    huge_leaves.set_reserve(size, table.split_reserve(size, page()));
}

// What faults would map becomes what a policy may.
void Core::leave_to_policy() {
  constexpr const char* kKey = "kernel.superpage.policy";
  const auto used = [](HugePages when) {
    return when == HugePages::Always || when == HugePages::Advised;
  };
  for (BlockSize& block : sizes.blocks) {
    if (block.style == SuperpageStyle::Base)
      throw UsageError(
          kKey,
          fmt::format("base pages that are one block of {} look to TLBs as any others do here, so "
                      "that nothing could be promoted",
                      format_size(block.size.bytes())),
          "take the size out of kernel.thp.sizes, or set another machine.page_table or "
          "kernel.superpage.style");
    sizes.candidates.push_back(block);
    block.when = HugePages::Never;
  }
  if (sizes.huge && used(sizes.huge_when)) {
    const BlockSize whole{
        .size = *sizes.huge, .when = sizes.huge_when, .style = SuperpageStyle::Leaf};
    const auto after =
        std::find_if(sizes.candidates.begin(), sizes.candidates.end(),
                     [&](const BlockSize& other) { return other.size > whole.size; });
    sizes.candidates.insert(after, whole);
    sizes.huge_when = HugePages::Never;
  }
  if (sizes.candidates.empty())
    throw UsageError(kKey, "there is no size that superpages could have",
                     "name some in kernel.thp.sizes, with 'always' or 'madvise'");
}

// Whether a TLB array holds pages larger than a base page that fit into one of that size.
bool Core::a_tlb_holds(PageShift size) const {
  const auto held = platform.tlbs->fills_by_size();
  return held.empty() || std::any_of(held.begin(), held.end(), [&](const auto& of) {
           return of.size > page() && of.size <= size;
         });
}

// The way blocks of that size are mapped; one that was asked for and cannot be is an error.
SuperpageStyle Core::style_for(PageShift size, bool has_leaf) const {
  const std::vector<PageShift> hints = platform.format->hint_sizes();
  const bool has_hint = std::find(hints.begin(), hints.end(), size) != hints.end();
  const SuperpageStyle wanted = settings.superpage_style;
  if (wanted == SuperpageStyle::Base) return wanted;
  if (wanted == SuperpageStyle::Auto) {
    if (!a_tlb_holds(size)) return SuperpageStyle::Base;
    if (has_leaf) return SuperpageStyle::Leaf;
    return has_hint ? SuperpageStyle::Hint : SuperpageStyle::Base;
  }
  const std::string named = format_size(size.bytes());
  constexpr const char* kAdvice = "take it out of kernel.thp.sizes, or map it another way";
  if (wanted == SuperpageStyle::Leaf && !has_leaf)
    throw UsageError("kernel.superpage.style",
                     fmt::format("the page table has no leaves of {}", named),
                     "another page table (machine.page_table) may have, or take it out of "
                     "kernel.thp.sizes");
  if (wanted == SuperpageStyle::Hint && !has_hint)
    throw UsageError(
        "kernel.superpage.style",
        fmt::format("entries of page tables cannot hint {} on this architecture", named), kAdvice);
  if (!a_tlb_holds(size))
    throw UsageError("kernel.superpage.style",
                     fmt::format("no TLB of this machine holds pages larger than {} and not larger "
                                 "than {} (tlb.*.pages)",
                                 format_size(page().bytes()), named),
                     kAdvice);
  return wanted;
}

void Core::add_block_size(PageShift size, HugePages when, bool has_leaf) {
  const SuperpageStyle style = style_for(size, has_leaf);
  const bool used = when == HugePages::Always || when == HugePages::Advised;
  if (used && settings.thp != HugePages::Disabled)
    sizes.blocks.push_back({.size = size, .when = when, .style = style});
}

void Core::fill_pools(const std::vector<PageShift>& leaves) {
  const auto fill = [&](const char* key, PageShift size, PageShift leaf, uint64_t count) {
    if (!pools.add(size, sizes.order(size), leaf).fill(count))
      throw UsageError(
          key,
          fmt::format("there is no memory for {} huge pages of {} KiB", count, size.bytes() >> 10),
          "give the machine more with mem.bytes");
  };
  if (settings.hugetlb_pages != 0 && !sizes.huge && settings.pool_rules.empty())
    throw UsageError("kernel.hugetlb_pages",
                     "this machine's page table has no huge pages of a size of its own",
                     "leave it at 0, or give a size with kernel.hugetlb.pools: the smallest is "
                     "what is mapped then where no size is said");
  if (sizes.huge) fill("kernel.hugetlb_pages", *sizes.huge, *sizes.huge, settings.hugetlb_pages);
  for (const PoolRule& rule : settings.pool_rules) {
    const std::string named = format_size(rule.size.bytes());
    if (rule.size == sizes.huge)
      throw UsageError("kernel.hugetlb.pools",
                       fmt::format("{} is the size of kernel.hugetlb_pages", named),
                       "say there how many pages it has");
    const auto leaf = pool_leaf(*this, leaves, rule.size);
    if (!leaf)
      throw UsageError(
          "kernel.hugetlb.pools",
          fmt::format("the page table has no leaves of {}, and entries of smaller ones "
                      "cannot hint it on this machine",
                      named),
          "gpt, hashed and clustered have: set machine.page_table");
    const bool stands_in = !sizes.huge && &rule == &settings.pool_rules.front();
    fill("kernel.hugetlb.pools", rule.size, *leaf,
         stands_in ? std::max(rule.pages, settings.hugetlb_pages) : rule.pages);
  }
}

std::optional<VirtRange> Core::user_range(VirtAddr start, uint64_t length) const {
  const uint64_t top = platform.layout.top.value();
  if (!is_aligned(start, page()) || length == 0 || length > top || start.value() > top - length)
    return std::nullopt;
  const VirtAddr end = align_up(start + length, page());
  if (end.value() > top || end <= start) return std::nullopt;
  return VirtRange{start, end};
}

bool Core::may_hold(VirtRange range, std::optional<PageShift> pool) const {
  const mmu::HugeRegion& region = platform.layout.huge_region;
  if (region.range.empty()) return true;
  if (pool == region.page)
    return region.range.begin <= range.begin && range.end <= region.range.end;
  return !range.overlaps(region.range);
}

bool Core::may_commit(uint64_t bytes) const {
  if (settings.overcommit != 0) return bytes <= settings.overcommit;
  return pages(bytes) <= platform.frames->total_frames() + settings.swap_pages;
}

void Core::drop_swap_entry(AddressSpace& mm, pt::Entry entry) {
  swap->drop(swap->slot_of(entry));
  accounts.add_swapped(mm, -1);
}

void Core::drop_everything() {
  files.drop_all();
  page_frames.free_zero_pages();
  pools.drain();
}

}  // namespace mmusim::kernel
