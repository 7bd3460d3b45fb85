#include "record/qemu_file.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <optional>
#include <span>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mmusim::record {
namespace {

// The whole file, as long as this lives; empty if it cannot be had.
class MappedFile {
 public:
  explicit MappedFile(const std::string& path) {
    const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (file >= 0 && fstat(file, &status) == 0 && status.st_size > 0) {
      size_ = static_cast<size_t>(status.st_size);
      at_ = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
    }
    if (file >= 0) close(file);
  }
  ~MappedFile() {
    if (at_ != MAP_FAILED) munmap(at_, size_);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  [[nodiscard]] std::span<const char> bytes() const {
    return at_ == MAP_FAILED ? std::span<const char>()
                             : std::span(static_cast<const char*>(at_), size_);
  }

 private:
  void* at_ = MAP_FAILED;
  size_t size_ = 0;
};

// `count` bytes from `at` on; nothing if the file is not so long.
std::string_view part(std::span<const char> file, uint64_t at, uint64_t count) {
  if (at > file.size() || count > file.size() - at) return {};
  return {file.data() + at, count};
}

template <class Record>
std::optional<Record> record_at(std::span<const char> file, uint64_t at) {
  const std::string_view bytes = part(file, at, sizeof(Record));
  if (bytes.empty()) return std::nullopt;
  Record record;
  std::memcpy(&record, bytes.data(), sizeof record);
  return record;
}

// The table of dynamic symbols, and of their names.
struct Symbols {
  std::string_view table;
  std::string_view names;

  // Whether it is defined there.
  [[nodiscard]] bool has(std::string_view wanted) const {
    for (size_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
      Elf64_Sym symbol;
      std::memcpy(&symbol, table.data() + at, sizeof symbol);
      if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= names.size()) continue;
      const std::string_view rest = names.substr(symbol.st_name);
      if (rest.starts_with(wanted) && rest.size() > wanted.size() && rest[wanted.size()] == 0)
        return true;
    }
    return false;
  }
};

Symbols dynamic_symbols(std::span<const char> file, const Elf64_Ehdr& header) {
  const auto section = [&](uint64_t number) {
    return record_at<Elf64_Shdr>(file, header.e_shoff + number * sizeof(Elf64_Shdr));
  };
  for (unsigned i = 0; i < header.e_shnum; ++i) {
    const std::optional<Elf64_Shdr> table = section(i);
    if (!table || table->sh_type != SHT_DYNSYM) continue;
    const std::optional<Elf64_Shdr> names = section(table->sh_link);
    if (!names) continue;
    return {part(file, table->sh_offset, table->sh_size),
            part(file, names->sh_offset, names->sh_size)};
  }
  return {};
}

}  // namespace

QemuFile look_at_qemu(const std::string& path) {
  const MappedFile mapped(path);
  const std::span<const char> file = mapped.bytes();
  const std::optional<Elf64_Ehdr> header = record_at<Elf64_Ehdr>(file, 0);
  QemuFile qemu;
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64)
    return qemu;
  const Symbols symbols = dynamic_symbols(file, *header);
  qemu.is_elf = true;
  qemu.plugins = symbols.has("qemu_plugin_register_vcpu_tb_trans_cb");
  qemu.memory = symbols.has("walk_memory_regions");
  qemu.placement = symbols.has("mmap_next_start");
  qemu.registers = symbols.has("cpu_dump_state") && symbols.has("thread_cpu");
  return qemu;
}

}  // namespace mmusim::record
