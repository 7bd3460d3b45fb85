// The functions of one ELF file, by where their code is in it.
#ifndef MMUSIM_SYMBOLS_ELF_FILE_H_
#define MMUSIM_SYMBOLS_ELF_FILE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/types.h"

namespace mmusim::symbols {

class ElfFile {
 public:
  // With the separate debug file that belongs to it, where there is one. Errors: Error naming the
  // path where it is no whole ELF file.
  explicit ElfFile(const std::string& path);
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  // The architecture it is for, as ELF numbers them (EM_X86_64, ...).
  [[nodiscard]] unsigned machine() const;
  // Whether any function has a name.
  [[nodiscard]] bool has_symbols() const;
  // Whether a loader would map this of it, whole pages, to be executed.
  [[nodiscard]] bool maps_as_code(uint64_t begin, uint64_t end, PageShift page) const;
  // The function at an offset, demangled; nothing where no symbol reaches it.
  [[nodiscard]] std::optional<std::string> function_at(uint64_t offset) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  mutable std::unordered_map<uint64_t, std::optional<std::string>> known_;
};

// The number ELF gives the architecture a trace's header names; nothing for one it does not know.
std::optional<unsigned> elf_machine_of(const std::string& isa);

}  // namespace mmusim::symbols

#endif  // MMUSIM_SYMBOLS_ELF_FILE_H_
