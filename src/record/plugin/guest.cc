#include "record/plugin/guest.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <utility>

namespace mmusim::record::plugin {
namespace {

constexpr unsigned long kWalkRights = 7;  // read, write, execute, as PROT_*
// May be written to; QEMU only sees to it that it is told, since there is code that it has
// translated.
constexpr unsigned long kWalkWritable = 0x10;

template <class Address>
int on_region(void* data, Address begin, Address end, unsigned long flags) {
  auto& regions = *static_cast<std::vector<Region>*>(data);
  const auto rights = static_cast<uint32_t>(flags & kWalkRights) |
                      ((flags & kWalkWritable) != 0 ? uint32_t{PROT_WRITE} : 0u);
  if (!regions.empty() && regions.back().end == begin && regions.back().prot == rights)
    regions.back().end = end;
  else
    regions.push_back({begin, end, rights});
  return 0;
}

}  // namespace

void Guest::open(const Isa& isa, std::string executable) {
  isa_ = &isa;
  executable_ = std::move(executable);
  if (const void* base = dlsym(RTLD_DEFAULT, "guest_base"); base != nullptr)
    base_ = *static_cast<const unsigned long*>(base);
  next_start_ = dlsym(RTLD_DEFAULT, "mmap_next_start");
  reserved_ = static_cast<const unsigned long*>(dlsym(RTLD_DEFAULT, "reserved_va"));
  walk_ = dlsym(RTLD_DEFAULT, "walk_memory_regions");
  page_flags_ = dlsym(RTLD_DEFAULT, "page_get_flags");
}

void Guest::learn_base(uint64_t guest_address, const void* host_address) {
  // At install the symbol has not got its value yet.
  if (host_address == nullptr) return;
  base_ = reinterpret_cast<uint64_t>(host_address) - guest_address;
}

bool Guest::read(uint64_t address, void* into, size_t bytes) const {
  const iovec local{into, bytes};
  const iovec remote{reinterpret_cast<void*>(base_ + value(address)), bytes};
  const ssize_t got = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
  if (got < 0 && (errno == ENOSYS || errno == EPERM)) {
    std::memcpy(into, remote.iov_base, bytes);
    return true;
  }
  return got == static_cast<ssize_t>(bytes);
}

bool Guest::read_number(uint64_t address, size_t bytes, uint64_t& number) const {
  std::array<unsigned char, 8> raw{};
  if (!read(address, raw.data(), bytes)) return false;
  if (isa_->big_endian) std::reverse(raw.begin(), raw.begin() + static_cast<std::ptrdiff_t>(bytes));
  std::memcpy(&number, raw.data(), sizeof number);
  return true;
}

bool Guest::read_text(uint64_t address, size_t limit, std::string& text) const {
  std::array<char, kPage> piece;
  text.clear();
  while (text.size() < limit) {
    const size_t bytes =
        std::min<size_t>(kPage - (value(address) & (kPage - 1)), limit - text.size());
    if (!read(address, piece.data(), bytes)) return false;
    char* const end = std::find(piece.data(), piece.data() + bytes, '\0');
    if (end != piece.data() + bytes) {
      text.append(piece.data(), end);
      return true;
    }
    text.append(piece.data(), bytes);
    address += bytes;
  }
  return false;
}

bool Guest::read_texts(uint64_t address, size_t limit, std::vector<std::string>& texts) const {
  if (value(address) == 0) return true;
  const size_t pointer_bytes = isa_->wide ? 8 : 4;
  size_t bytes = 0;
  for (;; address += pointer_bytes) {
    uint64_t pointer = 0;
    if (!read_number(address, pointer_bytes, pointer)) return false;
    if (pointer == 0) return true;
    std::string text;
    if (bytes >= limit || !read_text(pointer, limit - bytes, text)) return false;
    bytes += text.size() + 1;
    texts.push_back(std::move(text));
  }
}

std::vector<Region> Guest::regions() const {
  std::vector<Region> found;
  if (walk_ == nullptr) return found;
  if (isa_->wide) {
    using Walk = int (*)(void*, int (*)(void*, uint64_t, uint64_t, unsigned long));
    reinterpret_cast<Walk>(walk_)(&found, on_region<uint64_t>);
  } else {
    using Walk = int (*)(void*, int (*)(void*, uint32_t, uint32_t, unsigned long));
    reinterpret_cast<Walk>(walk_)(&found, on_region<uint32_t>);
  }
  return found;
}

bool Guest::place_next_at(uint64_t address) {
  if (next_start_ == nullptr) return false;
  // It is as wide as the program's addresses.
  if (isa_->wide)
    *static_cast<uint64_t*>(next_start_) = address;
  else
    *static_cast<uint32_t*>(next_start_) = static_cast<uint32_t>(address);
  return true;
}

bool Guest::is_free(uint64_t begin, uint64_t end) const {
  constexpr uint64_t kEnd = uint64_t{1} << 32;
  if (page_flags_ == nullptr || end > kEnd) return false;
  const auto flags_of = reinterpret_cast<int (*)(uint32_t)>(page_flags_);
  for (uint64_t page = begin; page < end; page += kPage)
    if (flags_of(static_cast<uint32_t>(page)) != 0) return false;
  return true;
}

bool Guest::shares_host_addresses() const {
  return isa_->wide && reserved_ != nullptr && *reserved_ == 0 && base_ == 0;
}

}  // namespace mmusim::record::plugin
