#include "record/plugin/remap.h"

#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace mmusim::record::plugin {
namespace {

thread_local bool stays = false;

// Tries to leave [old, old + old_bytes) where it is. QEMU has reserved the `bytes` at `place`,
// which may be just what it grows into.
bool remap_in_place(uintptr_t old, size_t old_bytes, size_t bytes, uintptr_t place) {
  const auto at = [](uintptr_t address) { return reinterpret_cast<void*>(address); };
  const uintptr_t end = place + bytes;
  const uintptr_t shared = place > old && place < old + bytes ? old + bytes - place : 0;
  if (shared != 0) munmap(at(place), shared);
  if (syscall(SYS_mremap, old, old_bytes, bytes, 0, nullptr) != -1) {
    munmap(at(place + shared), end - place - shared);
    return true;
  }
  if (shared != 0) {
    static_cast<void>(mmap(at(place), shared, PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
                           0));
  }
  return false;
}

size_t whole_pages(size_t bytes) {
  return (bytes + 4095) & ~size_t{4095};
}

// In QEMU's place.
void* remap(void* old, size_t old_bytes, size_t bytes, int flags, ...) {
  void* place = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list rest;
    va_start(rest, flags);
    place = va_arg(rest, void*);
    va_end(rest);
    if (std::exchange(stays, false) &&
        remap_in_place(reinterpret_cast<uintptr_t>(old), whole_pages(old_bytes), whole_pages(bytes),
                       reinterpret_cast<uintptr_t>(place)))
      return old;
  }
  return reinterpret_cast<void*>(syscall(SYS_mremap, old, old_bytes, bytes, flags, place));
}

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

bool change(void** entry) {
  const auto page = reinterpret_cast<uintptr_t>(entry) & ~uintptr_t{4095};
  auto* const at = reinterpret_cast<void*>(page);
  if (mprotect(at, 4096, PROT_READ | PROT_WRITE) != 0) return false;
  *entry = reinterpret_cast<void*>(&remap);
  mprotect(at, 4096, PROT_READ);
  return true;
}

// The first object is the program.
int change_program(dl_phdr_info* info, size_t /*size*/, void* changed) {
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
            std::strcmp(tables.names + tables.symbols[symbol].st_name, "mremap") != 0)
          continue;
        if (change(reinterpret_cast<void**>(info->dlpi_addr + all[j].r_offset)))
          *static_cast<bool*>(changed) = true;
      }
    }
  }
  return 1;
}

}  // namespace

bool take_mremap() {
  bool changed = false;
  dl_iterate_phdr(change_program, &changed);
  return changed;
}

void stay_if_possible(bool stay) {
  stays = stay;
}

}  // namespace mmusim::record::plugin
