// The same for file and shared memory, and a second program measured on the same kernel.
#include "kernel/script.h"

namespace mmusim::kernel::testing {
namespace calibration_files_test {

TEST(Calibration, SharedAnonymous) {
  for (const bool writes : {false, true}) {
    Script s;
    s.step("map and write 512",
           [&] {
             s.map(kBase, k2M, kRw, kMapShared | kMapAnonymous);
             s.write(kBase, 512);
           },
           {.faults = 512, .file = 2048, .tables = 12, .areas = 1});
    s.step(
        "fork", [&] { s.m.sys().fork(kP1, kP2); }, {.areas = 1}, 2);
    if (writes) {
      s.step(
          "child writes", [&] { s.write(kBase, 512, kP2); },
          {.faults = 512, .file = 2048, .tables = 12}, 2);
    } else {
      s.step(
          "child reads", [&] { s.read(kBase, 512, kP2); },
          {.faults = 32, .file = 2048, .tables = 12}, 2);
    }
    s.step("RO, RW, rewritten",
           [&] {
             s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kProtRead);
             s.m.sys().mprotect(kP1, VirtAddr(kBase), k2M, kRw);
             s.write(kBase, 512);
           },
           {});
    s.end();
  }
}

TEST(Calibration, PrivateFileWithLargeFolios) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/big", 4 * kM);
  s.step("RO, 512 hot pages",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 2, .file = 2048, .tables = 12, .areas = 1});
  s.unmap(kBase, 4 * kM);
  s.step("RW, write 64",
         [&] {
           s.map(kBase, 4 * kM, kRw, kMapPrivate, file);
           s.write(kBase, 64);
         },
         {.faults = 64, .anon = 256, .tables = 12, .areas = 1});
  s.step("read 64 at +1 MiB", [&] { s.read(kBase + kM, 64); }, {.faults = 1, .file = 1024});
  s.step("write those", [&] { s.write(kBase + kM, 64); },
         {.faults = 64, .anon = 256, .file = -256});
  s.end();
}

TEST(Calibration, SharedFileWithLargeFolios) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/big", 4 * kM);
  s.step("write 64",
         [&] {
           s.map(kBase, 4 * kM, kRw, kMapShared, file);
           s.write(kBase, 64);
         },
         {.faults = 1, .file = 1024, .tables = 12, .areas = 1});
  s.step("read 64 at +1 MiB", [&] { s.read(kBase + kM, 64); }, {.faults = 1, .file = 1024});
  s.step("then write them", [&] { s.write(kBase + kM, 64); }, {.faults = 64});
  s.end();
}

TEST(Calibration, TmpfsFile) {
  Script s("[kernel]\nfolio_order = 8\n");
  const FileId file = s.m.sys().open("/dev/shm/f", 4 * kM, FileKind::Shmem);
  s.step("512 hot pages",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 32, .file = 2048, .tables = 12, .areas = 1});
  s.end();
}

TEST(Calibration, ColdFile) {
  Script s("[kernel]\nfiles = cold\n");
  const FileId file = s.m.sys().open("/cold", 4 * kM);
  s.step("read 512 in order",
         [&] {
           s.map(kBase, 4 * kM, kProtRead, kMapPrivate, file);
           s.read(kBase, 512);
         },
         {.faults = 32, .file = 2048, .tables = 12, .areas = 1});
  EXPECT_EQ(s.m.process(1).faults.major, 1u);
  s.end();
}

// A second program, measured on the same kernel: accounting, protection of halves, windows across
// tables, moves that leave the old area, populating.
TEST(Calibration, SecondProgram) {
  Script s;
  const auto protect = [&](uint64_t at, uint64_t length, uint32_t prot) {
    ASSERT_EQ(s.m.sys().mprotect(kP1, VirtAddr(at), length, prot), 0);
  };
  s.step("RO beside RW that is written and made RO",
         [&] {
           s.map(kBase, kPage, kProtRead);
           s.map(kBase + kPage, kPage);
           s.write(kBase + kPage, 1);
           protect(kBase + kPage, kPage, kProtRead);
         },
         {.faults = 1, .anon = 4, .tables = 12, .areas = 2});
  s.unmap(kBase, 2 * kPage);
  s.step("the same, not written",
         [&] {
           s.map(kBase, kPage, kProtRead);
           s.map(kBase + kPage, kPage);
           protect(kBase + kPage, kPage, kProtRead);
         },
         {.areas = 1});
  s.unmap(kBase, 2 * kPage);
  s.step("64 MiB NONE, 1 MiB RW, write 16",
         [&] {
           s.map(kBase, 64 * kM, 0);
           protect(kBase, kM, kRw);
           s.write(kBase, 16);
         },
         {.faults = 16, .anon = 64, .tables = 12, .areas = 2});
  s.step("the next MiB RW, write 16",
         [&] {
           protect(kBase + kM, kM, kRw);
           s.write(kBase + kM, 16);
         },
         {.faults = 16, .anon = 64});
  s.step("a part apart, then what lies between",
         [&] {
           protect(kBase + 4 * kM, kM, kRw);
           s.write(kBase + 4 * kM, 16);
           protect(kBase + 2 * kM, 2 * kM, kRw);
         },
         {.faults = 16, .anon = 64, .tables = 4, .areas = 1});
  s.step("munmap", [&] { s.unmap(kBase, 64 * kM); }, {.anon = -192, .tables = -16, .areas = -3});

  const FileId file = s.m.sys().open("/dev/shm/f", 20 * kPage, FileKind::Shmem);
  const uint64_t f = kBase + k2M - 5 * kPage;
  s.step("20 pages of tmpfs, 5 before a table's end; read the second",
         [&] {
           s.map(f, 30 * kPage, kProtRead, kMapPrivate, file);
           s.read(f + kPage, 1);
         },
         {.faults = 1, .file = 20, .tables = 12, .areas = 1});
  s.step("read the sixth", [&] { s.read(f + 5 * kPage, 1); },
         {.faults = 1, .file = 60, .tables = 4});
  s.step("read all", [&] { s.read(f, 20); }, {});
  s.unmap(f, 30 * kPage);
  s.step("write 3, read all",
         [&] {
           s.map(f, 20 * kPage, kRw, kMapPrivate, file);
           s.write(f, 3);
           s.read(f, 20);
         },
         {.faults = 5, .anon = 12, .file = 68, .tables = 16, .areas = 1});
  s.step("write all", [&] { s.write(f, 20); }, {.faults = 17, .anon = 68, .file = -68});
  s.unmap(f, 20 * kPage);

  s.step("read 8, write 8",
         [&] {
           s.map(kBase, 8 * kPage);
           s.read(kBase, 8);
           s.write(kBase, 8);
         },
         {.faults = 16, .anon = 32, .tables = 12, .areas = 1});
  s.step("grow in place and write",
         [&] {
           s.m.sys().mremap(kP1, VirtAddr(kBase), 8 * kPage, 16 * kPage, 0);
           s.write(kBase, 16);
         },
         {.faults = 8, .anon = 32});
  const uint64_t moved = kBase + 512 * kM;
  s.step("move, leaving the old area",
         [&] {
           s.m.sys().mremap(kP1, VirtAddr(kBase), 16 * kPage, 16 * kPage,
                            kRemapMayMove | kRemapFixed | kRemapDontUnmap, VirtAddr(moved));
         },
         {.tables = 4, .areas = 1});
  s.step("write both",
         [&] {
           s.write(kBase, 16);
           s.write(moved, 16);
         },
         {.faults = 16, .anon = 64});
  s.unmap(kBase, 16 * kPage);
  s.unmap(moved, 16 * kPage);

  s.step("populate 64 pages of new shared memory",
         [&] { s.map(kBase, 64 * kPage, kRw, kMapShared | kMapAnonymous | kMapPopulate); },
         {.faults = 64, .file = 256, .tables = 12, .areas = 1});
  s.step("write them", [&] { s.write(kBase, 64); }, {});
  s.unmap(kBase, 64 * kPage);
  s.step("populate 20 pages of tmpfs",
         [&] { s.map(kBase, 20 * kPage, kProtRead, kMapPrivate | kMapPopulate, file); },
         {.faults = 2, .file = 80, .tables = 12, .areas = 1});
  s.end();
}

}  // namespace calibration_files_test
}  // namespace mmusim::kernel::testing
