#include "kernel/settings.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"
#include "config/keys.h"
#include "kernel/platform.h"

namespace mmusim::kernel {

const config::Keys<Settings>& Settings::keys() {
  static const config::Keys<Settings> kKeys =
      config::Keys<Settings>()
          .flag("kernel.imply", &Settings::imply,
                "Make an area where a recorded reference touches none; false refuses the "
                "reference.")
          .size("kernel.implied_chunk", &Settings::implied_chunk,
                "Bytes, aligned, that an implied area is rounded to where nothing else is.",
                1 << 10, 1 << 21)
          .number("kernel.max_map_count", &Settings::max_map_count,
                  "Areas an address space may have.", 1, 10000000)
          .size("kernel.fault_around", &Settings::fault_around,
                "Bytes of a file that one read fault maps; one page switches it off.", 1 << 10,
                1 << 21)
          .number("kernel.folio_order", &Settings::folio_order,
                  "log2 of the pages of a regular file that are kept, and where they fit mapped, "
                  "as one folio; 0 is the classic page cache.",
                  0, 9)
          .choice("kernel.files", &Settings::cold_files, {{"hot", false}, {"cold", true}},
                  "Whether files are in memory when first touched (minor faults) or have to be "
                  "read (major faults and read-ahead).")
          .size("kernel.readahead", &Settings::readahead, "Bytes read at once from a cold file.",
                1 << 10, 1 << 26)
          .flag("kernel.pt_reclaim", &Settings::pt_reclaim,
                "madvise(DONTNEED) frees page tables it empties completely (Linux 6.14 and "
                "later).")
          .choice("kernel.thp", &Settings::thp,
                  {{"disabled", HugePages::Disabled},
                   {"never", HugePages::Never},
                   {"madvise", HugePages::Advised},
                   {"always", HugePages::Always}},
                  "Transparent huge pages: in no area, not even by madvise(COLLAPSE) "
                  "(PR_SET_THP_DISABLE); by COLLAPSE only; in areas advised so; in all anonymous "
                  "ones.")
          .text("kernel.thp.sizes", &Settings::thp_sizes,
                "Sizes of transparent huge pages, each with where faults may map it, as in "
                "64K:always,1M:madvise,2M:inherit,4M:never (Linux 6.8; inherit, or nothing: as "
                "kernel.thp says). A fault maps the largest block that fits. The size of "
                "processor and page table inherits where it is not named.")
          .choice("kernel.superpage.style", &Settings::superpage_style,
                  {{"auto", SuperpageStyle::Auto},
                   {"leaf", SuperpageStyle::Leaf},
                   {"hint", SuperpageStyle::Hint},
                   {"base", SuperpageStyle::Base}},
                  "How the page table shows a block of kernel.thp.sizes: by one leaf of that "
                  "size; by entries of base pages that hint the size to the TLB, where the "
                  "architecture's have a place for it (Alpha, IA-64, SPARC, PowerPC with "
                  "ppc64.mpss); by entries that do "
                  "not, a block of memory only; auto: the first of these that can be.")
          .choice("kernel.superpage.policy", &Settings::superpage_policy,
                  {{"fault", SuperpagePolicyKind::Fault},
                   {"reserve", SuperpagePolicyKind::Reserve},
                   {"promote", SuperpagePolicyKind::Promote},
                   {"online", SuperpagePolicyKind::Online}},
                  "When superpages of private memory are made, of the sizes that kernel.thp.sizes "
                  "and kernel.thp allow: fault: by the first fault, the largest that fits (Linux); "
                  "reserve: the first fault sets frames aside, and what has been touched whole "
                  "becomes a superpage (FreeBSD); promote: scans copy what is there for the most "
                  "part into one (khugepaged); online: what has missed often enough is copied "
                  "(Romer 1995). But with the first, faults map base pages.")
          .choice(
              "kernel.superpage.cow", &Settings::superpage_cow_whole,
              {{"page", false}, {"whole", true}},
              "A write to a superpage of private memory that others hold too: page, it is split "
              "and one base page copied (Linux); whole, all of it is copied and stays one, if "
              "there is memory in one piece.")
          .choice("kernel.superpage.swap", &Settings::superpage_swap,
                  {{"split", SuperpageSwap::Split},
                   {"whole", SuperpageSwap::Whole},
                   {"both", SuperpageSwap::Both}},
                  "How a block of private memory is reclaimed: split, page by page; whole, all of "
                  "it, into swap slots side by side, if there are such (Linux 6.10; of huge pages "
                  "4.13); both: and read back as one by the first fault, where nobody else holds "
                  "its slots (Linux 6.14, from swap space in memory).")
          .choice(
              "kernel.superpage.demote", &Settings::superpage_demotion,
              {{"base", SuperpageDemotion::Base},
               {"binary", SuperpageDemotion::Binary},
               {"step", SuperpageDemotion::Step}},
              "What a superpage of private memory becomes of which a part is unmapped, "
              "protected, moved, copied or reclaimed: base: base pages (Linux); binary: halves, "
              "halved again around the part, of the sizes that page table or entry format "
              "have and TLBs can use; step: superpages of the next smaller size of "
              "kernel.thp.sizes and huge pages, divided again around the part (FreeBSD).")
          .number("kernel.superpage.populated", &Settings::superpage_populated,
                  "Per cent of a superpage's base pages that must be there before it is promoted "
                  "by kernel.superpage.policy promote or online; the others are filled with zeros.",
                  1, 100)
          .number("kernel.superpage.scan_interval", &Settings::superpage_scan_interval,
                  "Instructions between two scans of kernel.superpage.policy=promote.", 1,
                  uint64_t{1} << 50)
          .number("kernel.superpage.scan_pages", &Settings::superpage_scan_pages,
                  "Base pages one of these scans looks at, at most (khugepaged: pages_to_scan).", 1,
                  uint64_t{1} << 40)
          .number("kernel.superpage.misses", &Settings::superpage_misses,
                  "TLB misses, for each of its base pages, after which kernel.superpage.policy="
                  "online promotes a superpage: what copying one page costs over what a miss does.",
                  1, uint64_t{1} << 32)
          .number("kernel.hugetlb_pages", &Settings::hugetlb_pages,
                  "Huge pages in the pool for mmap with MAP_HUGETLB, taken from memory at the "
                  "start. Where the machine has no huge pages of a size of its own: as many at "
                  "least in the smallest of kernel.hugetlb.pools, which is mapped there where no "
                  "size is said.",
                  0, uint64_t{1} << 24)
          .text(
              "kernel.hugetlb.pools", &Settings::hugetlb_pools,
              "Pools of huge pages of other sizes, each with so many pages, as in 64K:100,256M:2: "
              "for mmap with MAP_HUGETLB and a size (MAP_HUGE_SHIFT). The page table shows them by "
              "leaves of these sizes, or else, where the architecture's entries can hint the size, "
              "by entries of base pages, or, above the machine's own huge page, by several of "
              "these.")
          .flag("kernel.zero_page", &Settings::zero_page,
                "Reads of untouched private memory map a page of zeros that all share; false: a "
                "page of their own (as Linux does for some virtual machines).")
          .flag(
              "kernel.zero_split", &Settings::zero_split,
              "Pages of a huge page that hold only zeros become that page when it is split (Linux "
              "6.12); false: they stay (as with some kernels without kernel.zero_page).")
          .size("kernel.shared_tables", &Settings::shared_table_bytes,
                "Bytes of the blocks, a power of two, in which processes that map the same part "
                "of a file alike share page tables; 0: none do. With mlpt what a table of some "
                "level covers, the smallest that is not below this (2M, 1G or 512G on x86-64), "
                "with gpt any.",
                0, uint64_t{1} << 56)
          .power_of_two("kernel.shared_tables", &Settings::shared_table_bytes,
                        "blocks are found by bits of an address")
          .number("kernel.aslr", &Settings::aslr_bits,
                  "log2 of the places, a page apart, at which the mappings of a program may "
                  "begin: one is drawn at each exec, for mappings that ask for no address. 0: all "
                  "begin at one. Linux: 28 on x86-64, 8 on i386.",
                  0, 48)
          .number("kernel.aslr_seed", &Settings::aslr_seed, "What they are drawn from.")
          .choice("kernel.fork_copy", &Settings::fork_copies_all,
                  {{"anon_vma", false}, {"all", true}},
                  "What fork copies: the page tables of areas with private pages; or those of "
                  "all, as Linux before 2.6.14.")
          .flag("kernel.special_pages", &Settings::special_pages,
                "Every program has what the kernel puts there on this architecture, vdso and "
                "vvar, where a recording does not say where it had them; and its gate page can be "
                "called.")
          .size("kernel.overcommit", &Settings::overcommit,
                "Bytes that one call of a script may ask for at most (mmap, brk, mremap, "
                "mprotect, fork): heuristic overcommit. 0: as many as memory and swap space have "
                "together.",
                0, uint64_t{1} << 63)
          .number("kernel.swap_pages", &Settings::swap_pages,
                  "Pages of swap space. 0: memory that is full stays full, and madvise(FREE, "
                  "COLD, PAGEOUT) does nothing; else pages are reclaimed when no frame is free.",
                  0, uint64_t{1} << 32);
  return kKeys;
}

Settings Settings::from(const config::Config& config, const Platform& platform) {
  Settings s = keys().read(config);
  const PageShift page = platform.page;
  if (s.shared_table_bytes != 0 && s.shared_table_bytes <= page.bytes())
    throw UsageError(config.place_of("kernel.shared_tables"), "a block is larger than a page");
  constexpr const char* kSmaller = "leave it out of the list";
  const auto refuse_more_than_memory = [&](const std::string& place, PageShift size) {
    const uint64_t frames = platform.frames->total_frames();
    if (size.bytes() >> page.log2() > frames)
      throw UsageError(place,
                       fmt::format("{} is more than all memory, {} (mem.bytes)",
                                   format_size(size.bytes()), format_size(frames << page.log2())),
                       kSmaller);
  };
  const std::string sizes = config.place_of("kernel.thp.sizes");
  s.size_rules = parse_sizes(s.thp_sizes, page, sizes);
  for (const SizeRule& rule : s.size_rules) {
    if (rule.size.log2() - page.log2() > mem::FrameMemory::kMaxOrder)
      throw UsageError(sizes,
                       fmt::format("no memory can be had in one piece of {}: the allocator's "
                                   "largest block has {}",
                                   format_size(rule.size.bytes()),
                                   format_size(page.bytes() << mem::FrameMemory::kMaxOrder)),
                       kSmaller);
    refuse_more_than_memory(sizes, rule.size);
  }
  const std::string pools = config.place_of("kernel.hugetlb.pools");
  s.pool_rules = parse_pools(s.hugetlb_pools, page, pools);
  for (const PoolRule& rule : s.pool_rules)
    refuse_more_than_memory(pools, rule.size);
  const mmu::AddressLayout& layout = platform.layout;
  const uint64_t room =
      layout.mmap_upward ? layout.top - layout.mmap_base : layout.mmap_base - layout.lowest;
  if (s.aslr_bits != 0 && room / 2 >> s.aslr_bits < page.bytes())
    throw UsageError(config.place_of("kernel.aslr"),
                     "there is no room for so many places on this machine");
  return s;
}

}  // namespace mmusim::kernel
