#include "record/calls.h"

namespace mmusim::record {

std::span<const CallNumber> x86_64_calls() {
  static constexpr CallNumber kCalls[] = {
      {9, Call::Mmap},           {10, Call::Mprotect},        {11, Call::Munmap},
      {12, Call::Brk},           {25, Call::Mremap},          {26, Call::Msync},
      {28, Call::Madvise},       {30, Call::Shmat},           {56, Call::Clone},
      {57, Call::Fork},          {58, Call::Vfork},           {59, Call::Execve},
      {60, Call::Exit},          {61, Call::Wait4},           {67, Call::Shmdt},
      {76, Call::Truncate},      {77, Call::Ftruncate},       {149, Call::Mlock},
      {150, Call::Munlock},      {151, Call::Mlockall},       {152, Call::Munlockall},
      {157, Call::Prctl},        {206, Call::IoSetup},        {216, Call::RemapFilePages},
      {231, Call::ExitGroup},    {237, Call::Mbind},          {247, Call::Waitid},
      {256, Call::MigratePages}, {279, Call::MovePages},      {285, Call::Fallocate},
      {323, Call::Userfaultfd},  {325, Call::Mlock2},         {329, Call::Mprotect},
      {425, Call::IoUringSetup}, {440, Call::ProcessMadvise}, {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> i386_calls() {
  static constexpr CallNumber kCalls[] = {
      {1, Call::Exit},         {2, Call::Fork},           {7, Call::Waitpid},
      {11, Call::Execve},      {45, Call::Brk},           {90, Call::MmapOld},
      {91, Call::Munmap},      {92, Call::Truncate},      {93, Call::Ftruncate},
      {114, Call::Wait4},      {120, Call::Clone},        {125, Call::Mprotect},
      {144, Call::Msync},      {150, Call::Mlock},        {151, Call::Munlock},
      {152, Call::Mlockall},   {153, Call::Munlockall},   {163, Call::Mremap},
      {172, Call::Prctl},      {190, Call::Vfork},        {192, Call::Mmap2},
      {193, Call::Truncate64}, {194, Call::Ftruncate64},  {219, Call::Madvise},
      {245, Call::IoSetup},    {252, Call::ExitGroup},    {257, Call::RemapFilePages},
      {274, Call::Mbind},      {284, Call::Waitid},       {294, Call::MigratePages},
      {317, Call::MovePages},  {324, Call::Fallocate},    {374, Call::Userfaultfd},
      {376, Call::Mlock2},     {380, Call::Mprotect},     {397, Call::Shmat},
      {398, Call::Shmdt},      {425, Call::IoUringSetup}, {440, Call::ProcessMadvise},
      {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> generic_calls() {
  static constexpr CallNumber kCalls[] = {
      {0, Call::IoSetup},      {45, Call::Truncate},      {46, Call::Ftruncate},
      {47, Call::Fallocate},   {93, Call::Exit},          {94, Call::ExitGroup},
      {95, Call::Waitid},      {167, Call::Prctl},        {196, Call::Shmat},
      {197, Call::Shmdt},      {214, Call::Brk},          {215, Call::Munmap},
      {216, Call::Mremap},     {220, Call::Clone},        {221, Call::Execve},
      {222, Call::Mmap},       {226, Call::Mprotect},     {227, Call::Msync},
      {228, Call::Mlock},      {229, Call::Munlock},      {230, Call::Mlockall},
      {231, Call::Munlockall}, {233, Call::Madvise},      {234, Call::RemapFilePages},
      {235, Call::Mbind},      {238, Call::MigratePages}, {239, Call::MovePages},
      {260, Call::Wait4},      {282, Call::Userfaultfd},  {284, Call::Mlock2},
      {288, Call::Mprotect},   {425, Call::IoUringSetup}, {440, Call::ProcessMadvise},
      {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> arm_calls() {
  static constexpr CallNumber kCalls[] = {
      {1, Call::Exit},
      {2, Call::Fork},
      {11, Call::Execve},
      {45, Call::Brk},
      {91, Call::Munmap},
      {92, Call::Truncate},
      {93, Call::Ftruncate},
      {114, Call::Wait4},
      {120, Call::Clone},
      {125, Call::Mprotect},
      {144, Call::Msync},
      {150, Call::Mlock},
      {151, Call::Munlock},
      {152, Call::Mlockall},
      {153, Call::Munlockall},
      {163, Call::Mremap},
      {172, Call::Prctl},
      {190, Call::Vfork},
      {192, Call::Mmap2},
      {193, Call::Truncate64},
      {194, Call::Ftruncate64},
      {220, Call::Madvise},
      {243, Call::IoSetup},
      {248, Call::ExitGroup},
      {253, Call::RemapFilePages},
      {280, Call::Waitid},
      {305, Call::Shmat},
      {306, Call::Shmdt},
      {319, Call::Mbind},
      {344, Call::MovePages},
      {352, Call::Fallocate},
      {388, Call::Userfaultfd},
      {390, Call::Mlock2},
      {394, Call::Mprotect},
      {400, Call::MigratePages},
      {425, Call::IoUringSetup},
      {440, Call::ProcessMadvise},
      {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> sparc64_calls() {
  static constexpr CallNumber kCalls[] = {
      {1, Call::Exit},           {2, Call::Fork},
      {7, Call::Wait4},          {17, Call::Brk},
      {59, Call::Execve},        {65, Call::Msync},
      {66, Call::Vfork},         {71, Call::Mmap},
      {73, Call::Munmap},        {74, Call::Mprotect},
      {75, Call::Madvise},       {129, Call::Truncate},
      {130, Call::Ftruncate},    {147, Call::Prctl},
      {188, Call::ExitGroup},    {192, Call::RemapFilePages},
      {212, Call::Waitpid},      {217, Call::Clone},
      {237, Call::Mlock},        {238, Call::Munlock},
      {239, Call::Mlockall},     {240, Call::Munlockall},
      {250, Call::Mremap},       {268, Call::IoSetup},
      {279, Call::Waitid},       {302, Call::MigratePages},
      {303, Call::Mbind},        {307, Call::MovePages},
      {314, Call::Fallocate},    {352, Call::Userfaultfd},
      {356, Call::Mlock2},       {362, Call::Mprotect},
      {397, Call::Shmat},        {398, Call::Shmdt},
      {425, Call::IoUringSetup}, {440, Call::ProcessMadvise},
      {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> ppc64_calls() {
  static constexpr CallNumber kCalls[] = {
      {1, Call::Exit},           {2, Call::Fork},           {7, Call::Waitpid},
      {11, Call::Execve},        {45, Call::Brk},           {90, Call::Mmap},
      {91, Call::Munmap},        {92, Call::Truncate},      {93, Call::Ftruncate},
      {114, Call::Wait4},        {120, Call::Clone},        {125, Call::Mprotect},
      {144, Call::Msync},        {150, Call::Mlock},        {151, Call::Munlock},
      {152, Call::Mlockall},     {153, Call::Munlockall},   {163, Call::Mremap},
      {171, Call::Prctl},        {189, Call::Vfork},        {205, Call::Madvise},
      {227, Call::IoSetup},      {234, Call::ExitGroup},    {239, Call::RemapFilePages},
      {258, Call::MigratePages}, {259, Call::Mbind},        {272, Call::Waitid},
      {301, Call::MovePages},    {309, Call::Fallocate},    {364, Call::Userfaultfd},
      {378, Call::Mlock2},       {386, Call::Mprotect},     {397, Call::Shmat},
      {398, Call::Shmdt},        {425, Call::IoUringSetup}, {440, Call::ProcessMadvise},
      {462, Call::Mseal},
  };
  return kCalls;
}

std::span<const CallNumber> alpha_calls() {
  static constexpr CallNumber kCalls[] = {
      {1, Call::Exit},           {2, Call::Fork},
      {7, Call::Wait4},          {17, Call::Brk},
      {59, Call::Execve},        {66, Call::Vfork},
      {71, Call::Mmap},          {73, Call::Munmap},
      {74, Call::Mprotect},      {75, Call::Madvise},
      {129, Call::Truncate},     {130, Call::Ftruncate},
      {209, Call::Shmat},        {211, Call::Shmdt},
      {217, Call::Msync},        {312, Call::Clone},
      {314, Call::Mlock},        {315, Call::Munlock},
      {316, Call::Mlockall},     {317, Call::Munlockall},
      {341, Call::Mremap},       {348, Call::Prctl},
      {365, Call::Wait4},        {398, Call::IoSetup},
      {405, Call::ExitGroup},    {410, Call::RemapFilePages},
      {429, Call::Mbind},        {438, Call::Waitid},
      {449, Call::MigratePages}, {472, Call::MovePages},
      {480, Call::Fallocate},    {516, Call::Userfaultfd},
      {518, Call::Mlock2},       {524, Call::Mprotect},
      {535, Call::IoUringSetup}, {550, Call::ProcessMadvise},
      {572, Call::Mseal},
  };
  return kCalls;
}

}  // namespace mmusim::record
