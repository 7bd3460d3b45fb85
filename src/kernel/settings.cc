#include "kernel/settings.h"

#include <algorithm>
#include <string>

#include "base/bits.h"
#include "base/error.h"

namespace mmusim::kernel {

void Settings::declare(config::Schema& schema) {
  schema.flag("kernel.imply", true,
              "Make an area where a recorded reference touches none; false refuses the reference.");
  schema.size("kernel.implied_chunk", 64 << 10,
              "Bytes, aligned, that an implied area is rounded to where nothing else is.", 1 << 10,
              1 << 21);
  schema.number("kernel.max_map_count", 65530, "Areas an address space may have.", 1, 10000000);
  schema.size("kernel.fault_around", 64 << 10,
              "Bytes of a file that one read fault maps; one page switches it off.", 1 << 10,
              1 << 21);
  schema.number(
      "kernel.folio_order", 0,
      "log2 of the pages of a regular file that are kept, and where they fit mapped, as one "
      "folio; 0 is the classic page cache.",
      0, 9);
  schema.choice("kernel.files", "hot", {"hot", "cold"},
                "Whether files are in memory when first touched (minor faults) or have to be read "
                "(major faults and read-ahead).");
  schema.size("kernel.readahead", 128 << 10, "Bytes read at once from a cold file.", 1 << 10,
              1 << 26);
  schema.flag("kernel.pt_reclaim", true,
              "madvise(DONTNEED) frees page tables it empties completely (Linux 6.14 and later).");
  schema.choice("kernel.thp", "madvise", {"disabled", "never", "madvise", "always"},
                "Transparent huge pages: in no area, not even by madvise(COLLAPSE) "
                "(PR_SET_THP_DISABLE); by COLLAPSE only; in areas advised so; in all anonymous "
                "ones.");
  schema.number("kernel.hugetlb_pages", 0,
                "Huge pages in the pool for mmap with MAP_HUGETLB, taken from memory at the start.",
                0, uint64_t{1} << 24);
  schema.flag("kernel.zero_page", true,
              "Reads of untouched private memory map a page of zeros that all share; false: a page "
              "of their own (as Linux does for some virtual machines).");
  schema.size(
      "kernel.shared_tables", 0,
      "Bytes of the blocks, a power of two, in which processes that map the same part of a "
      "file alike share page tables; 0: none do. With mlpt what a table of some level covers, the "
      "smallest that is not below this (2M, 1G or 512G on x86-64), with gpt any.",
      0, uint64_t{1} << 56);
  schema.number(
      "kernel.aslr", 0,
      "log2 of the places, a page apart, at which the mappings of a program may begin: one "
      "is drawn at each exec, for mappings that ask for no address. 0: all begin at one. "
      "Linux: 28 on x86-64, 8 on i386.",
      0, 48);
  schema.number("kernel.aslr_seed", 1, "What they are drawn from.");
  schema.choice(
      "kernel.fork_copy", "anon_vma", {"anon_vma", "all"},
      "What fork copies: the page tables of areas with private pages; or those of all, as "
      "Linux before 2.6.14.");
  schema.flag("kernel.special_pages", false,
              "Every program has what the kernel puts there on this architecture, vdso and vvar, "
              "where a recording does not say where it had them; and its gate page can be called.");
  schema.size("kernel.overcommit", 0,
              "Bytes that one call of a script may ask for at most (mmap, brk, mremap, mprotect, "
              "fork): heuristic overcommit. 0: as many as memory and swap space have together.",
              0, uint64_t{1} << 63);
  schema.number("kernel.swap_pages", 0,
                "Pages of swap space. 0: memory that is full stays full, and madvise(FREE, COLD, "
                "PAGEOUT) does nothing; else pages are reclaimed when no frame is free.",
                0, uint64_t{1} << 32);
}

Settings Settings::from(const config::Config& config, const Platform& platform) {
  const PageShift page = platform.page;
  const auto pages = [&](const char* key) {
    return std::max<uint64_t>(1, config.size(key) >> page.log2());
  };
  Settings s;
  s.imply = config.flag("kernel.imply");
  s.pt_reclaim = config.flag("kernel.pt_reclaim");
  s.zero_page = config.flag("kernel.zero_page");
  s.cold_files = config.choice("kernel.files") == "cold";
  s.max_map_count = config.number("kernel.max_map_count");
  s.fault_around_pages = uint64_t{1} << log2_floor(pages("kernel.fault_around"));
  s.folio_pages = uint64_t{1} << config.number("kernel.folio_order");
  s.readahead_pages = pages("kernel.readahead");
  s.implied_pages = uint64_t{1} << log2_floor(pages("kernel.implied_chunk"));
  const std::string& thp = config.choice("kernel.thp");
  s.thp = thp == "disabled" ? HugePages::Disabled
          : thp == "never"  ? HugePages::Never
          : thp == "always" ? HugePages::Always
                            : HugePages::Advised;
  s.hugetlb_pages = config.number("kernel.hugetlb_pages");
  s.special_pages = config.flag("kernel.special_pages");
  s.swap_pages = config.number("kernel.swap_pages");
  s.shared_table_bytes = config.size("kernel.shared_tables");
  if (s.shared_table_bytes != 0 && !is_power_of_two(s.shared_table_bytes))
    throw UsageError("kernel.shared_tables", "a block is a power of two of bytes");
  if (s.shared_table_bytes != 0 && s.shared_table_bytes <= page.bytes())
    throw UsageError("kernel.shared_tables", "a block is larger than a page");
  s.aslr_bits = static_cast<unsigned>(config.number("kernel.aslr"));
  s.aslr_seed = config.number("kernel.aslr_seed");
  const mmu::AddressLayout& layout = platform.layout;
  const uint64_t room =
      layout.mmap_upward ? layout.top - layout.mmap_base : layout.mmap_base - layout.lowest;
  if (s.aslr_bits != 0 && room / 2 >> s.aslr_bits < page.bytes())
    throw UsageError("kernel.aslr", "there is no room for so many places on this machine");
  s.overcommit = config.size("kernel.overcommit");
  s.fork_copies_all = config.choice("kernel.fork_copy") == "all";
  return s;
}

}  // namespace mmusim::kernel
