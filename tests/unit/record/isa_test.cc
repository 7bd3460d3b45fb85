#include "record/isa.h"

#include <gtest/gtest.h>
#include <map>
#include <set>
#include <sys/syscall.h>

namespace mmusim::record {
namespace isa_test {

// Of this computer's own instruction set its headers know the numbers.
TEST(Isa, NumbersOfThisComputer) {
#ifdef __x86_64__
  const std::map<Call, int> expected = {
      {Call::Mmap, SYS_mmap},           {Call::Munmap, SYS_munmap},
      {Call::Mremap, SYS_mremap},       {Call::Brk, SYS_brk},
      {Call::Madvise, SYS_madvise},     {Call::Msync, SYS_msync},
      {Call::Fallocate, SYS_fallocate}, {Call::Clone, SYS_clone},
      {Call::Fork, SYS_fork},           {Call::Execve, SYS_execve},
      {Call::Wait4, SYS_wait4},         {Call::Waitid, SYS_waitid},
      {Call::ExitGroup, SYS_exit_group}};
  size_t seen = 0;
  for (const CallNumber& call : isa_named("x86_64")->calls) {
    const auto found = expected.find(call.call);
    if (found == expected.end()) continue;
    EXPECT_EQ(call.number, found->second);
    ++seen;
  }
  EXPECT_EQ(seen, expected.size());
#endif
}

TEST(Isa, EachHasWhatAProgramNeeds) {
  for (const Isa& isa : isas()) {
    SCOPED_TRACE(isa.name);
    std::set<unsigned> numbers;
    std::set<Call> calls;
    for (const CallNumber& call : isa.calls) {
      EXPECT_TRUE(numbers.insert(call.number).second) << call.number;
      calls.insert(call.call);
    }
    EXPECT_EQ(calls.count(Call::Mmap) + calls.count(Call::Mmap2) > 0, true);
    for (const Call call : {Call::Munmap, Call::Mprotect, Call::Mremap, Call::Brk, Call::Madvise,
                            Call::Mlock, Call::Clone, Call::Execve, Call::Exit, Call::ExitGroup,
                            Call::Wait4, Call::Waitid, Call::Fallocate})
      EXPECT_EQ(calls.count(call), 1U) << static_cast<int>(call);
  }
}

TEST(Isa, IsFoundByItsElfFiles) {
  EXPECT_STREQ(isa_of_elf(43, true, true)->name, "sparc64");
  EXPECT_STREQ(isa_of_elf(21, true, true)->name, "ppc64");
  EXPECT_STREQ(isa_of_elf(21, true, false)->name, "ppc64le");
  EXPECT_STREQ(isa_of_elf(40, false, false)->name, "arm");
  EXPECT_EQ(isa_of_elf(40, false, true), nullptr);  // big-endian ARM
  EXPECT_STREQ(isa_of_elf(0x9026, true, false)->name, "alpha");
}

}  // namespace isa_test
}  // namespace mmusim::record
