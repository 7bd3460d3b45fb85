#include "record/plugin/image.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <sys/mman.h>

#include "record/plugin/maps.h"

namespace mmusim::record::plugin {
namespace {

constexpr uint64_t kStackExpansion = uint64_t{128} << 10;  // as Linux maps it below the arguments
constexpr size_t kMostArguments = 60000;
constexpr size_t kMostArgumentBytes = size_t{1} << 20;
constexpr uint64_t kGrowsDown = 0x100;
constexpr uint64_t kPrivate = 2;
constexpr uint64_t kShared = 1;
constexpr uint64_t kAnonymous = 0x20;
constexpr uint64_t kVsyscall = 0xffffffffff600000;  // of x86-64

struct Area {
  Region region;
  uint64_t flags = kPrivate;
  uint64_t offset = 0;
  std::string name;
};

// Whether the auxiliary vector is in these words, which every stack has: AT_PAGESZ and its value.
template <class Word>
bool has_page_size(const std::vector<char>& bytes, bool big_endian) {
  const auto word = [&](size_t i) {
    std::array<char, sizeof(Word)> raw{};
    std::memcpy(raw.data(), bytes.data() + i * sizeof(Word), sizeof(Word));
    if (big_endian) std::reverse(raw.begin(), raw.end());
    Word value;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  };
  constexpr Word kAtPageSize = 6;
  for (size_t i = 0; i + 1 < bytes.size() / sizeof(Word); ++i) {
    if (word(i) != kAtPageSize) continue;
    const Word value = word(i + 1);
    if (value == 4096 || value == 8192 || value == 16384 || value == 65536) return true;
  }
  return false;
}

// The part of a region, at its end, that has been written to.
uint64_t begin_of_used(const Guest& guest, const Region& region) {
  const size_t pages = (region.end - region.begin) / kPage;
  std::vector<unsigned char> resident(pages);
  void* const at = reinterpret_cast<void*>(guest.base() + region.begin);
  if (mincore(at, pages * kPage, resident.data()) != 0) return region.end;
  size_t first = pages;
  while (first > 0 && (resident[first - 1] & 1) != 0)
    --first;
  return region.begin + first * kPage;
}

bool is_stack(const Guest& guest, const Region& region, uint64_t used) {
  std::vector<char> bytes(region.end - used);
  if (!guest.read(used, bytes.data(), bytes.size())) return false;
  return guest.isa().wide ? has_page_size<uint64_t>(bytes, guest.isa().big_endian)
                          : has_page_size<uint32_t>(bytes, guest.isa().big_endian);
}

// The stack as Linux would have it so far: QEMU maps all it may ever take.
bool cut_stack(const Guest& guest, Area& area) {
  constexpr uint32_t kReadWrite = PROT_READ | PROT_WRITE;
  constexpr uint64_t kLeast = uint64_t{64} << 10;
  Region& region = area.region;
  if ((region.prot & kReadWrite) != kReadWrite || !area.name.empty() ||
      region.end - region.begin < kLeast)
    return false;
  const uint64_t used = begin_of_used(guest, region);
  if (used == region.end || !is_stack(guest, region, used)) return false;
  const uint64_t page = uint64_t{1} << guest.isa().page_shift;
  if (used - region.begin > kStackExpansion) region.begin = (used - kStackExpansion) & ~(page - 1);
  area.flags = kPrivate | kAnonymous | kGrowsDown;
  area.name = "[stack]";
  return true;
}

// `region` in pieces, as the host's mappings divide it.
void divide(const Guest& guest, Region region, const std::vector<HostMapping>& mappings,
            std::vector<Area>& areas) {
  const uint64_t base = guest.base();
  while (region.begin < region.end) {
    Area area;
    area.region = region;
    area.flags = kPrivate | kAnonymous;
    for (const HostMapping& mapping : mappings) {
      if (mapping.end <= base + region.begin) continue;
      if (mapping.begin > base + region.begin) {
        area.region.end = std::min(region.end, mapping.begin - base);
        break;
      }
      area.region.end = std::min(region.end, mapping.end - base);
      if (!mapping.name.empty() && mapping.name.front() == '/') {
        area.name = mapping.name;
        area.offset = mapping.offset + (base + region.begin - mapping.begin);
        area.flags = mapping.shared ? kShared : kPrivate;
      }
      break;
    }
    // The host may divide what is one for the program.
    if (!areas.empty() && areas.back().region.end == area.region.begin &&
        areas.back().region.prot == area.region.prot && areas.back().flags == area.flags &&
        areas.back().name.empty() && area.name.empty()) {
      areas.back().region.end = area.region.end;
    } else {
      areas.push_back(area);
    }
    region.begin = area.region.end;
  }
}

void put_arguments(EventWords& words, const CommandLine& line) {
  const std::vector<std::string>& arguments = line.arguments;
  size_t bytes = 0;
  size_t kept = 0;
  while (kept < arguments.size() && kept < kMostArguments &&
         (bytes += arguments[kept].size()) < kMostArgumentBytes)
    ++kept;
  words.text(line.program).word(kept);
  for (size_t i = 0; i < kept; ++i)
    words.text(arguments[i]);
}

}  // namespace

CommandLine command_line(size_t arguments_at) {
  const std::string all = read_whole("/proc/self/cmdline");
  std::vector<std::string> parts;
  for (size_t at = 0; at < all.size();) {
    const size_t end = std::min(all.find('\0', at), all.size());
    parts.push_back(all.substr(at, end - at));
    at = end + 1;
  }
  CommandLine line;
  if (parts.size() > arguments_at + 1) {
    line.program = parts[arguments_at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(arguments_at) + 1);
    line.arguments.assign(parts.begin() + static_cast<std::ptrdiff_t>(arguments_at), parts.end());
  }
  return line;
}

EventWords image_words(const Guest& guest, const std::vector<Region>& regions,
                       size_t arguments_at) {
  EventWords words;
  put_arguments(words, command_line(arguments_at));
  const std::vector<HostMapping> mappings = host_mappings();
  std::vector<Area> areas;
  for (const Region& region : regions)
    if (region.prot != 0 || region.begin >= (uint64_t{1} << 16))
      divide(guest, region, mappings, areas);
  for (auto area = areas.rbegin(); area != areas.rend(); ++area)
    if (cut_stack(guest, *area)) break;
  for (Area& area : areas)
    if (area.region.begin == kVsyscall) area.name = "[vsyscall]";
  words.word(areas.size());
  for (const Area& area : areas) {
    words.word(area.region.begin)
        .word(area.region.end)
        .word(area.region.prot)
        .word(area.flags)
        .word(area.offset)
        .text(area.name);
  }
  return words;
}

}  // namespace mmusim::record::plugin
