// Recorded events: what the recording says happened, happens; what makes no sense is counted and
// harms nobody.
#include "kernel/machine.h"

namespace mmusim::kernel::testing {
namespace replay_test {

using namespace abi;

constexpr uint64_t kBase = 0x100000000000;
constexpr trace::ThreadId kP1 = thread_of(1), kP2 = thread_of(2);
constexpr uint32_t kRw = kProtRead | kProtWrite;
constexpr uint32_t kAnon = kMapPrivate | kMapAnonymous;

class ReplayTest : public ::testing::Test {
 protected:
  void TearDown() override {
    m.expect_no_stale_translation();
    m.expect_accounts_agree();
    m.expect_nothing_leaks();
  }
  void apply(const trace::Event& e, trace::ThreadId thread = kP1) {
    m.kernel->apply(CpuId(0), thread, e);
  }
  static trace::MmapEvent mapped(uint64_t at, uint64_t pages, uint32_t prot = kRw,
                                 uint32_t flags = kAnon) {
    trace::MmapEvent e;
    e.length = pages * kPage;
    e.prot = prot;
    e.flags = flags;
    e.result = static_cast<int64_t>(at);
    return e;
  }
  uint64_t ignored(Ignored why) { return m.counters().ignored[why]; }
  size_t areas(uint32_t pid = 1) { return m.mm(pid).vmas.size(); }
  uint64_t implied() { return m.counters().implied_areas; }
  Machine m;
};

TEST_F(ReplayTest, MappingsGoWhereTheRecordingPutThem) {
  apply(mapped(kBase, 4));
  apply(mapped(kBase + 64 * kPage, 4));
  EXPECT_EQ(areas(), 2u);
  trace::MmapEvent failed = mapped(kBase + 100 * kPage, 1);
  failed.result = -kENOMEM;
  apply(failed);
  apply(trace::MunmapEvent{VirtAddr(kBase), 4 * kPage, -kEINVAL});
  apply(trace::MprotectEvent{VirtAddr(kBase), 4 * kPage, 0, -kEACCES});
  EXPECT_EQ(areas(), 2u);
  EXPECT_EQ(m.counters().failed_calls, 3u);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
  EXPECT_EQ(implied(), 0u);
}

// A recorded success rules: what this model still has there is what it did not see go.
TEST_F(ReplayTest, ANewMappingReplacesWhatIsInItsWay) {
  apply(mapped(kBase, 4));
  m.store(kP1, kBase);
  apply(mapped(kBase, 2, kProtRead));
  EXPECT_EQ(m.counters().replaced, 1u);
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 0u);
  apply(mapped(kBase, 4, kRw, kAnon | kMapFixed));  // says itself that it replaces
  EXPECT_EQ(m.counters().replaced, 1u);
  EXPECT_EQ(areas(), 1u);
}

TEST_F(ReplayTest, MremapMovesToTheRecordedPlace) {
  apply(mapped(kBase, 4));
  m.store(kP1, kBase + kPage);
  apply(trace::MremapEvent{.old_start = VirtAddr(kBase),
                           .old_length = 4 * kPage,
                           .new_length = 8 * kPage,
                           .flags = kRemapMayMove,
                           .new_hint = {},
                           .result = static_cast<int64_t>(kBase + (1 << 30))});
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 1u);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase)), nullptr);
  EXPECT_EQ(m.store(kP1, kBase + (1 << 30) + 7 * kPage), Result::Ok);
  EXPECT_EQ(implied(), 0u);
}

TEST_F(ReplayTest, TheFirstBreakIsTheStartOfTheHeap) {
  const auto brk = [&](uint64_t requested, uint64_t result) {
    apply(trace::BrkEvent{VirtAddr(requested), VirtAddr(result)});
  };
  brk(0, kBase + 0x10);
  EXPECT_EQ(areas(), 0u);
  brk(kBase + 0x21010, kBase + 0x21010);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 0x1000))->range(),
            (VirtRange{VirtAddr(kBase + 0x1000), VirtAddr(kBase + 0x22000)}));
  brk(kBase + 0x90000, kBase + 0x21010);  // refused: no change
  brk(kBase + 0x2000, kBase + 0x2000);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 0x1000))->end, VirtAddr(kBase + 0x2000));
  brk(kBase - 1, kBase - 1);
  brk(0, 0);
  brk(~uint64_t{0}, ~uint64_t{0});
  EXPECT_EQ(ignored(Ignored::BadRange), 3u);
  EXPECT_EQ(m.mm(1).brk, VirtAddr(kBase + 0x2000));
}

TEST_F(ReplayTest, AnUnnamedFileMappedOverItselfIsOneFile) {
  trace::MmapEvent whole = mapped(kBase, 8, kProtRead, kMapPrivate);
  whole.fd = 3;
  apply(whole);
  trace::MmapEvent text =
      mapped(kBase + 2 * kPage, 4, kProtRead | kProtExec, kMapPrivate | kMapFixed);
  text.fd = 3;
  text.offset = 2 * kPage;
  apply(text);
  const FileId file = m.mm(1).vmas.find(VirtAddr(kBase))->file;
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase + 3 * kPage))->file, file);
  EXPECT_EQ(areas(), 3u);
  whole.result = static_cast<int64_t>(kBase + 100 * kPage);
  apply(whole);  // descriptor 3 again, elsewhere: who knows what it is now
  EXPECT_NE(m.mm(1).vmas.find(VirtAddr(kBase + 100 * kPage))->file, file);
  // Over the whole of itself: the file must survive the unmapping of its last page.
  text = mapped(kBase, 8, kRw, kMapPrivate | kMapFixed);
  text.fd = 3;
  apply(text);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(kBase))->file, file);
  EXPECT_EQ(m.load(kP1, kBase), Result::Ok);
}

TEST_F(ReplayTest, ExecBuildsTheRecordedImage) {
  trace::ExecEvent e;
  e.program = "/bin/true";
  e.arguments = {"true"};
  const auto area = [](uint64_t at, uint64_t pages, uint32_t prot, const char* name,
                       uint64_t offset = 0) {
    return trace::ImageArea{
        {VirtAddr(at), VirtAddr(at + pages * kPage)}, prot, kMapPrivate, offset, name};
  };
  e.image = {area(0x400000, 1, kProtRead, "/bin/true"),
             area(0x401000, 4, kProtRead | kProtExec, "/bin/true", kPage),
             area(0x405000, 2, kRw, "/bin/true", 5 * kPage),
             area(0x407000, 1, kRw, ""),
             area(0x500000, 33, kRw, "[heap]"),
             area(0x7ffff7ff5000, 4, kProtRead, "[vvar]"),
             area(0x7ffff7ff9000, 2, kProtRead | kProtExec, "[vdso]"),
             area(0x7ffffffde000, 33, kRw, "[stack]"),
             area(0xffffffffff600000, 1, kProtExec, "[vsyscall]")};
  apply(e);
  EXPECT_EQ(areas(), 8u);
  EXPECT_EQ(ignored(Ignored::BadRange), 0u);
  EXPECT_EQ(m.mm(1).brk_start, VirtAddr(0x500000));
  EXPECT_EQ(m.process(1).faults.minor, 1u);  // the arguments on the stack
  EXPECT_EQ(m.fetch(kP1, 0x401000), Result::Ok);
  EXPECT_EQ(m.load(kP1, 0x7ffff7ff5000), Result::Ok);
  EXPECT_EQ(m.fetch(kP1, 0x7ffff7ff9000), Result::Ok);
  EXPECT_EQ(m.mm(1).rss(PageKind::File), 4u + 1u);  // text and a page of the vdso, but not vvar
  EXPECT_EQ(m.fetch(kP1, 0x500000), Result::Refused);
  EXPECT_EQ(m.store(kP1, 0x401000), Result::Refused);
  EXPECT_EQ(implied(), 0u);
  // vvar is copied at fork if touched, vdso and text are not.
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(m.mm(2).rss(PageKind::File), 0u);
  EXPECT_NE(m.mm(2).table->peek(VirtAddr(0x7ffff7ff5000)).entry, pt::kNone);
  EXPECT_EQ(m.mm(2).table->peek(VirtAddr(0x7ffff7ff9000)).entry, pt::kNone);
  // Another program: nothing of this one is left, but its faults stay counted.
  const uint64_t faults = m.process(1).faults.minor;
  apply(trace::ExecEvent{});
  EXPECT_EQ(areas(), 0u);
  EXPECT_EQ(m.process(1).faults.minor, faults);
}

TEST_F(ReplayTest, ReferencesImplyAreas) {
  EXPECT_EQ(m.fetch(kP1, 0x401234), Result::Ok);
  const Vma* text = m.mm(1).vmas.find(VirtAddr(0x401234));
  EXPECT_EQ(text->range(), (VirtRange{VirtAddr(0x400000), VirtAddr(0x410000)}));
  EXPECT_EQ(text->flags & kVmRights, uint32_t{kVmRead | kVmExec});
  EXPECT_FALSE(text->is_anonymous());
  EXPECT_EQ(m.store(kP1, 0x7fff00001000), Result::Ok);
  const Vma* data = m.mm(1).vmas.find(VirtAddr(0x7fff00001000));
  EXPECT_TRUE(data->is_anonymous());
  EXPECT_EQ(data->flags & kVmRights, kRw);
  EXPECT_EQ(m.counters().implied_pages, 16u + 1u);
  // Neighbours become one area.
  EXPECT_EQ(m.fetch(kP1, 0x410000), Result::Ok);
  EXPECT_EQ(m.store(kP1, 0x7fff00010000), Result::Ok);
  EXPECT_EQ(areas(), 2u);
  EXPECT_EQ(implied(), 4u);
}

TEST_F(ReplayTest, ImpliedAreasKeepOffOthersAndAreWidened) {
  apply(mapped(0x402000, 2, kProtRead));
  EXPECT_EQ(m.fetch(kP1, 0x401000), Result::Ok);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(0x401000))->range(),
            (VirtRange{VirtAddr(0x400000), VirtAddr(0x402000)}));
  EXPECT_EQ(m.store(kP1, 0x405000), Result::Ok);
  EXPECT_EQ(m.mm(1).vmas.find(VirtAddr(0x405000))->range(),
            (VirtRange{VirtAddr(0x404000), VirtAddr(0x410000)}));
  EXPECT_EQ(m.store(kP1, 0x402000), Result::Refused);  // the recording said read only
  EXPECT_EQ(m.counters().refused, 1u);
  EXPECT_EQ(m.store(kP1, 0x401000), Result::Ok);  // implied text: a store was made, so it may be
  EXPECT_EQ(m.mm(1).rss(PageKind::Anonymous), 2u);
  EXPECT_EQ(m.fetch(kP1, 0x405000), Result::Ok);
  EXPECT_EQ(m.counters().implied_widened, 2u);
  // Outside user space nothing is implied.
  EXPECT_EQ(m.load(kP1, 0), Result::Refused);
  EXPECT_EQ(m.load(kP1, 0xffff), Result::Refused);
  EXPECT_EQ(m.load(kP1, 0x7ffffffff000), Result::Refused);
  EXPECT_EQ(m.fetch(kP1, 0xffffffffff600000), Result::Refused);
  EXPECT_EQ(m.counters().refused_no_place, 0u);  // no area is there: the program's own fault
  EXPECT_EQ(m.load(kP1, 0x10000), Result::Ok);
  EXPECT_EQ(m.store(kP1, 0x7fffffffefff), Result::Ok);
}

TEST_F(ReplayTest, ProcessesOfOneProgramShareItsImpliedText) {
  trace::ExecEvent e;
  e.program = "/bin/sh";
  apply(e, kP1);
  apply(e, kP2);
  m.fetch(kP1, 0x400000);
  m.fetch(kP2, 0x400000);
  EXPECT_EQ(m.mm(1).table->peek(VirtAddr(0x400000)).entry & m.format.pfn_mask,
            m.mm(2).table->peek(VirtAddr(0x400000)).entry & m.format.pfn_mask);
}

// Its text's file must outlive the unmapping of the last of it.
TEST_F(ReplayTest, ImpliedTextOfAnUnknownProgramComesBackAfterMunmap) {
  m.fetch(kP1, 0x400000);
  apply(trace::MunmapEvent{VirtAddr(0x400000), 0x10000, 0});
  apply(mapped(kBase, 1, kRw, kMapShared | kMapAnonymous));
  EXPECT_EQ(m.fetch(kP1, 0x400000), Result::Ok);
  EXPECT_NE(m.mm(1).vmas.find(VirtAddr(0x400000))->file, m.mm(1).vmas.find(VirtAddr(kBase))->file);
}

TEST_F(ReplayTest, ForkExitAndWait) {
  apply(mapped(kBase, 1));
  m.store(kP1, kBase);
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(m.mm(2).rss(PageKind::Anonymous), 1u);
  apply(trace::ExitEvent{}, kP2);
  apply(trace::WaitEvent{Pid(2), 0});
  EXPECT_EQ(m.counters().exits, 1u);
  EXPECT_EQ(m.kernel->system().processes().size(), 1u);
  // The same id again; and once more although its end was not recorded.
  apply(trace::ForkEvent{kP2, 0, false});
  apply(trace::ForkEvent{kP2, 0, false});
  EXPECT_EQ(ignored(Ignored::BadChild), 1u);
  EXPECT_EQ(m.counters().exits, 2u);
  apply(trace::WaitEvent{Pid(2), 0});  // so it has ended
  EXPECT_EQ(m.counters().exits, 3u);
  // A zombie that runs again is another process.
  apply(trace::ForkEvent{kP2, 0, false});
  apply(trace::ExitEvent{}, kP2);
  m.store(kP2, kBase);
  EXPECT_EQ(m.counters().implied_areas, 1u);
}

TEST_F(ReplayTest, NonsenseIsCountedAndIgnored) {
  apply(trace::ExitEvent{}, thread_of(99));
  apply(trace::WaitEvent{Pid(98), 0});
  EXPECT_EQ(ignored(Ignored::UnknownThread), 2u);
  EXPECT_FALSE(m.kernel->system().processes().contains(Pid(99)));
  apply(trace::ForkEvent{kP1, 0, false});  // its own child
  EXPECT_EQ(ignored(Ignored::BadChild), 1u);
  apply(mapped(kBase, uint64_t{1} << 51));
  apply(mapped(kBase + 1, 1));
  apply(mapped(uint64_t{1} << 60, 1));
  apply(trace::MunmapEvent{VirtAddr(~uint64_t{0xfff}), 0x2000, 0});
  apply(trace::MunmapEvent{VirtAddr(kBase), 0, 0});
  EXPECT_EQ(ignored(Ignored::BadRange), 5u);
  apply(trace::MunmapEvent{VirtAddr(kBase), kPage, 0});
  apply(trace::MprotectEvent{VirtAddr(kBase), kPage, 0, 0});
  EXPECT_EQ(ignored(Ignored::NoArea), 2u);
  apply(mapped(kBase, 1));
  apply(trace::MadviseEvent{VirtAddr(kBase), kPage, 12345, 0});
  EXPECT_EQ(ignored(Ignored::Unsupported), 1u);
}

TEST_F(ReplayTest, AVforkedChildReplacedByItsOwnParentsForkLeavesTheParentAlive) {
  apply(mapped(kBase, 1));
  apply(trace::ForkEvent{kP2, kCloneVm | kCloneVfork, true});
  m.store(kP2, kBase);
  apply(trace::ForkEvent{kP1, 0, false}, kP2);  // the child "forks" the living parent's id
  EXPECT_EQ(m.store(kP2, kBase), Result::Ok);
  EXPECT_EQ(m.store(kP1, kBase), Result::Ok);
}

}  // namespace replay_test
}  // namespace mmusim::kernel::testing
