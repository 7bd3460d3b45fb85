#include "trace/import/lackey_placement.h"

#include "base/linux_abi.h"

namespace mmusim::trace::lackey {
namespace {

constexpr uint64_t kProgram = 0x108000;  // a position-independent one
constexpr uint64_t kLoader = 0x4000000;
constexpr uint64_t kPage = 4096;
constexpr unsigned kMachine = 62;  // EM_X86_64

constexpr uint64_t up(uint64_t address) {
  return (address + kPage - 1) / kPage * kPage;
}
constexpr uint64_t down(uint64_t address) {
  return address / kPage * kPage;
}

MmapEvent mapping(uint64_t begin, uint64_t end, uint32_t prot) {
  return {.hint = VirtAddr(begin),
          .length = end - begin,
          .prot = prot,
          .flags = abi::kMapPrivate | abi::kMapFixed | abi::kMapAnonymous,
          .fd = -1,
          .offset = 0,
          .result = static_cast<int64_t>(begin),
          .file = {}};
}

// Each segment's pages of the file, and those of zeros behind.
void add(std::vector<MmapEvent>& mappings, const symbols::Image& image, uint64_t base,
         const std::string& path) {
  for (const symbols::ImageSegment& segment : image.segments) {
    const uint64_t begin = base + segment.address;
    const uint64_t file_end =
        segment.file_bytes == 0 ? down(begin) : up(begin + segment.file_bytes);
    const uint64_t end = up(begin + segment.bytes);
    if (down(begin) != file_end) {
      MmapEvent file = mapping(down(begin), file_end, segment.prot);
      file.flags &= ~uint32_t{abi::kMapAnonymous};
      file.offset = down(segment.offset);
      file.file = path;
      mappings.push_back(std::move(file));
    }
    if (file_end < end) mappings.push_back(mapping(file_end, end, segment.prot));
  }
}

uint64_t base_of(const symbols::Image& image, uint64_t where) {
  return image.moves ? where : 0;
}

bool ends_before(const symbols::Image& image, uint64_t base, uint64_t end) {
  for (const symbols::ImageSegment& segment : image.segments)
    if (segment.address >= end || segment.bytes >= end ||
        base + segment.address + segment.bytes > end)
      return false;
  return true;
}

}  // namespace

std::vector<MmapEvent> place(
    const std::string& program, uint64_t first,
    const std::function<std::optional<symbols::Image>(const std::string&)>& image_of) {
  constexpr uint64_t kValgrind = 0x58000000;  // its own code, beyond which a loader does not go
  const auto image = image_of(program);
  if (!image || image->machine != kMachine) return {};
  const uint64_t base = base_of(*image, kProgram);
  if (!ends_before(*image, base, kLoader)) return {};
  std::vector<MmapEvent> mappings;
  add(mappings, *image, base, program);
  if (image->interpreter.empty()) {
    if (base + image->entry != first) return {};
    return mappings;
  }
  const auto loader = image_of(image->interpreter);
  if (!loader || !loader->moves || kLoader + loader->entry != first ||
      !ends_before(*loader, kLoader, kValgrind))
    return {};
  add(mappings, *loader, kLoader, image->interpreter);
  return mappings;
}

}  // namespace mmusim::trace::lackey
