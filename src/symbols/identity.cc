#include "symbols/identity.h"

#include <algorithm>
#include <cstdint>
#include <elfutils/libdwelf.h>
#include <fmt/format.h>
#include <memory>
#include <span>
#include <unistd.h>
#include <vector>
#include <xxhash.h>

#include "symbols/opened_elf.h"

namespace mmusim::symbols {
namespace {

struct FreeHash {
  void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
};

std::string hexadecimal(std::span<const uint8_t> bytes) {
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

// False: the file ends before.
bool add_bytes(int file, uint64_t offset, uint64_t count, XXH3_state_t* hash) {
  std::vector<uint8_t> part(size_t{1} << 20);
  while (count != 0) {
    const ssize_t got = pread(file, part.data(), std::min<uint64_t>(count, part.size()),
                              static_cast<off_t>(offset));
    if (got <= 0) return false;
    XXH3_128bits_update(hash, part.data(), static_cast<size_t>(got));
    offset += static_cast<uint64_t>(got);
    count -= static_cast<uint64_t>(got);
  }
  return true;
}

std::optional<std::string> code_of(int file, Elf* elf) {
  size_t segments = 0;
  if (elf_getphdrnum(elf, &segments) != 0) return std::nullopt;
  const std::unique_ptr<XXH3_state_t, FreeHash> hash(XXH3_createState());
  XXH3_128bits_reset(hash.get());
  bool any = false;
  for (size_t i = 0; i < segments; ++i) {
    GElf_Phdr segment;
    if (gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr) return std::nullopt;
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0 || segment.p_filesz == 0)
      continue;
    any = true;
    const uint64_t place[] = {segment.p_vaddr, segment.p_offset, segment.p_filesz};
    XXH3_128bits_update(hash.get(), place, sizeof place);
    if (!add_bytes(file, segment.p_offset, segment.p_filesz, hash.get())) return std::nullopt;
  }
  if (!any) return std::nullopt;
  XXH128_canonical_t digest;
  XXH128_canonicalFromHash(&digest, XXH3_128bits_digest(hash.get()));
  return "code:" + hexadecimal(digest.digest);
}

}  // namespace

std::optional<std::string> identity_of(const std::string& path) {
  const OpenedElf opened(path);
  if (opened.elf() == nullptr) return std::nullopt;
  const void* id = nullptr;
  const ssize_t bytes = dwelf_elf_gnu_build_id(opened.elf(), &id);
  if (bytes > 0)
    return "build-id:" + hexadecimal({static_cast<const uint8_t*>(id), static_cast<size_t>(bytes)});
  return code_of(opened.file(), opened.elf());
}

}  // namespace mmusim::symbols
