#include "record/isa.h"

#include <algorithm>

#include "record/calls.h"

namespace mmusim::record {
namespace {

constexpr uint16_t kMachine386 = 3;
constexpr uint16_t kMachineX86_64 = 62;
constexpr uint16_t kMachineAarch64 = 183;
constexpr uint16_t kMachineRiscv = 243;

// Linux's places without randomisation are 0x555555554000 and 0x7ffff7fff000. QEMU itself lies
// there, so these are others that share the same entries of the upper tables, or have as many.
constexpr uint64_t kProgram64 = 0x550000000000;
constexpr uint64_t kTop64 = 0x7e7ff8000000;

}  // namespace

std::span<const Isa> isas() {
  static const Isa kIsas[] = {
      {"x86_64", "x86_64", "x86_64", kMachineX86_64, true, false, 12, Pairs::Whole, nullptr,
       x86_64_calls(), nullptr, nullptr, kProgram64, kTop64},
      {"i386", "i386", "i386", kMachine386, false, false, 12, Pairs::LowFirst, nullptr,
       i386_calls(), nullptr, nullptr, 0x56555000, 0xf7fff000},
      {"aarch64", "aarch64", "aarch64", kMachineAarch64, true, false, 12, Pairs::Whole,
       "/usr/aarch64-linux-gnu", generic_calls(), nullptr, nullptr, kProgram64, kTop64},
      {"riscv64", "riscv64", "riscv64", kMachineRiscv, true, false, 12, Pairs::Whole,
       "/usr/riscv64-linux-gnu", generic_calls(), nullptr, nullptr, 0, 0},
  };
  return kIsas;
}

const Isa* isa_named(std::string_view name) {
  for (const Isa& isa : isas())
    if (name == isa.name) return &isa;
  return nullptr;
}

const Isa* isa_of_target(std::string_view target) {
  for (const Isa& isa : isas())
    if (target == isa.target) return &isa;
  return nullptr;
}

const Isa* isa_of_elf(uint16_t machine, bool wide, bool big_endian) {
  for (const Isa& isa : isas())
    if (isa.machine == machine && isa.wide == wide && isa.big_endian == big_endian) return &isa;
  return nullptr;
}

const char* name_of_other(Call call) {
  switch (call) {
    case Call::Shmat:
      return "shmat";
    case Call::Shmdt:
      return "shmdt";
    case Call::RemapFilePages:
      return "remap_file_pages";
    case Call::Userfaultfd:
      return "userfaultfd";
    case Call::Mbind:
      return "mbind";
    case Call::MovePages:
      return "move_pages";
    case Call::MigratePages:
      return "migrate_pages";
    case Call::Mseal:
      return "mseal";
    case Call::IoSetup:
      return "io_setup";
    case Call::IoUringSetup:
      return "io_uring_setup";
    default:
      return nullptr;
  }
}

}  // namespace mmusim::record
