#include "record/plugin/imports.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>

namespace mmusim::record::plugin {
namespace {

// The program's own tables, as its loader left them.
struct Tables {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  const ElfW(Rela) * relocations[2] = {nullptr, nullptr};
  size_t bytes[2] = {0, 0};
};

Tables tables_of(const ElfW(Dyn) * entry) {
  Tables tables;
  for (; entry->d_tag != DT_NULL; ++entry) {
    const auto pointer = reinterpret_cast<const void*>(entry->d_un.d_ptr);
    switch (entry->d_tag) {
      case DT_SYMTAB:
        tables.symbols = static_cast<const ElfW(Sym)*>(pointer);
        break;
      case DT_STRTAB:
        tables.names = static_cast<const char*>(pointer);
        break;
      case DT_RELA:
        tables.relocations[0] = static_cast<const ElfW(Rela)*>(pointer);
        break;
      case DT_RELASZ:
        tables.bytes[0] = entry->d_un.d_val;
        break;
      case DT_JMPREL:
        tables.relocations[1] = static_cast<const ElfW(Rela)*>(pointer);
        break;
      case DT_PLTRELSZ:
        tables.bytes[1] = entry->d_un.d_val;
        break;
      default:
        break;
    }
  }
  return tables;
}

bool change(void** entry, void* with) {
  const auto page = reinterpret_cast<uintptr_t>(entry) & ~uintptr_t{4095};
  auto* const at = reinterpret_cast<void*>(page);
  if (mprotect(at, 4096, PROT_READ | PROT_WRITE) != 0) return false;
  *entry = with;
  mprotect(at, 4096, PROT_READ);
  return true;
}

struct Change {
  const char* name;
  void* with;
  bool done = false;
};

// The first object is the program.
int change_program(dl_phdr_info* info, size_t /*size*/, void* data) {
  Change& wanted = *static_cast<Change*>(data);
  for (size_t i = 0; i < info->dlpi_phnum; ++i) {
    if (info->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const Tables tables =
        tables_of(reinterpret_cast<const ElfW(Dyn)*>(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr));
    if (tables.symbols == nullptr || tables.names == nullptr) break;
    for (size_t table = 0; table < 2; ++table) {
      const ElfW(Rela)* const all = tables.relocations[table];
      for (size_t j = 0; j < tables.bytes[table] / sizeof(ElfW(Rela)); ++j) {
        const size_t symbol = ELF64_R_SYM(all[j].r_info);
        if (symbol == 0 || all[j].r_addend != 0 ||
            std::strcmp(tables.names + tables.symbols[symbol].st_name, wanted.name) != 0)
          continue;
        if (change(reinterpret_cast<void**>(info->dlpi_addr + all[j].r_offset), wanted.with))
          wanted.done = true;
      }
    }
  }
  return 1;
}

}  // namespace

bool replace_import(const char* name, void* with) {
  Change wanted{name, with};
  dl_iterate_phdr(change_program, &wanted);
  return wanted.done;
}

}  // namespace mmusim::record::plugin
