#include "symbols/image.h"

#include "symbols/opened_elf.h"

namespace mmusim::symbols {
namespace {

constexpr uint64_t kLongestPath = 4096;  // Linux's PATH_MAX

// Of which an end byte is a part. "": none, or cut off.
std::string path_at(int file, uint64_t offset, uint64_t bytes) {
  if (bytes == 0 || bytes > kLongestPath) return "";
  std::string path(bytes, '\0');
  const ssize_t got = pread(file, path.data(), bytes, static_cast<off_t>(offset));
  if (got != static_cast<ssize_t>(bytes)) return "";
  return path.c_str();
}

uint32_t prot_of(uint32_t flags) {
  constexpr uint32_t kRead = 1;  // Linux's PROT_*
  constexpr uint32_t kWrite = 2;
  constexpr uint32_t kExec = 4;
  return ((flags & PF_R) != 0 ? kRead : 0) | ((flags & PF_W) != 0 ? kWrite : 0) |
         ((flags & PF_X) != 0 ? kExec : 0);
}

}  // namespace

std::optional<Image> image_of(const std::string& path) {
  const OpenedElf opened(path);
  GElf_Ehdr head;
  size_t headers = 0;
  if (opened.elf() == nullptr || gelf_getehdr(opened.elf(), &head) == nullptr ||
      elf_getphdrnum(opened.elf(), &headers) != 0)
    return std::nullopt;
  if (head.e_type != ET_DYN && head.e_type != ET_EXEC) return std::nullopt;
  Image image;
  image.machine = head.e_machine;
  image.moves = head.e_type == ET_DYN;
  image.entry = head.e_entry;
  for (size_t i = 0; i < headers; ++i) {
    GElf_Phdr one;
    if (gelf_getphdr(opened.elf(), static_cast<int>(i), &one) == nullptr) return std::nullopt;
    if (one.p_type == PT_INTERP) {
      image.interpreter = path_at(opened.file(), one.p_offset, one.p_filesz);
      if (image.interpreter.empty()) return std::nullopt;
    }
    if (one.p_type != PT_LOAD || one.p_memsz == 0) continue;
    if (one.p_filesz > one.p_memsz || one.p_vaddr + one.p_memsz < one.p_vaddr) return std::nullopt;
    image.segments.push_back(
        {one.p_vaddr, one.p_memsz, one.p_filesz, one.p_offset, prot_of(one.p_flags)});
  }
  if (image.segments.empty()) return std::nullopt;
  return image;
}

}  // namespace mmusim::symbols
