// What it takes to start a program under QEMU: which file the kernel would run for a path (`#!`
// lines followed), for which ISA it is, and the command line of that QEMU. Shared with the plug-in,
// which starts the programs that recorded ones execute; throws nothing but std::bad_alloc.
#ifndef MMUSIM_RECORD_PROGRAM_H_
#define MMUSIM_RECORD_PROGRAM_H_

#include <cstdint>
#include <string>
#include <vector>

#include "record/isa.h"
#include "record/ring.h"

namespace mmusim::record {

struct Program {
  std::string path;                    // the ELF file
  std::vector<std::string> arguments;  // its argv
  const Isa* isa = nullptr;
  // Of a position-independent program with an interpreter: the bytes it takes; else 0.
  uint64_t relocatable_bytes = 0;
};

enum class Refusal : uint8_t {
  None,
  Errno,       // the system's: error
  NotElf,      // no executable the kernel knows (ENOEXEC)
  ForeignIsa,  // none that can be recorded
  Privileged,  // set-user-ID or set-group-ID to somebody else
  Unreadable,  // may be executed but not be read
  TooManyScripts
};
struct Resolution {
  Refusal refusal = Refusal::None;
  int error = 0;     // for Errno
  std::string what;  // the file concerned
};

// Follows `path` to the ELF file. `arguments` are argv as given.
Resolution resolve(const std::string& path, std::vector<std::string> arguments, Program& program);

// The command line that starts `program` under QEMU with the plug-in. `environment` has the
// program's variables; those that would change how QEMU itself is loaded (LD_*) are moved to the
// command line. Empty: a variable cannot be passed on so.
std::vector<std::string> qemu_command(const Share& share, const Program& program,
                                      std::vector<std::string>& environment);

// Of the further arguments for QEMU, those for this ISA's. Each is stored as ISA:ARGUMENT.
std::vector<std::string> further_arguments(const Share& share, const Isa& isa);

// As execve() takes them.
std::vector<char*> pointers(std::vector<std::string>& texts);

// The file of the QEMU that runs it.
std::string qemu_path(const Share& share, const Isa& isa);

}  // namespace mmusim::record

#endif  // MMUSIM_RECORD_PROGRAM_H_
