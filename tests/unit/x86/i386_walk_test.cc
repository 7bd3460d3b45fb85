// Walks of two levels and of PAE: which words they read, as the manual has it (SDM vol. 3A, 4.3 and
// 4.4), what they set and refuse, and when PDPTEs are read.
#include <gtest/gtest.h>
#include <vector>

#include "base/error.h"
#include "tests/unit/x86/machine.h"

namespace mmusim::x86::testing {
namespace i386_walk_test {

using mmu::FaultReason;

constexpr uint64_t kVa = 0xb7654321;

// References as they are made.
class Listener final : public mmu::Narrator {
 public:
  struct Reference {
    uint64_t address;
    unsigned bytes;
    bool write;
    uint64_t value;
    bool operator==(const Reference&) const = default;
  };
  std::vector<Reference> seen;

  void step(const mmu::Step&) override {}
  void more_instructions(uint64_t) override {}
  void resume(const mmu::Step&) override {}
  void reference(const mmu::Seen& s) override {
    seen.push_back({s.address.value(), s.bytes, s.write, s.words.front()});
  }
  void remark(const std::string&) override {}
};

class I386Walk : public ::testing::Test {
 protected:
  explicit I386Walk(const std::string& text)
      : machine("[mem]\nbytes = 1G\n" + text),
        walker(machine.options(), machine.frames(), machine.path()),
        root(machine.new_table()) {
    machine.path().narrate(&listener);
  }
  ~I386Walk() override { machine.path().narrate(nullptr); }

  mmu::WalkResult walk(uint64_t va, AccessKind kind = AccessKind::Load) {
    listener.seen.clear();
    return walker.walk(root, VirtAddr(va), 0, kind);
  }
  FaultReason fault(uint64_t va, AccessKind kind = AccessKind::Load) {
    return walk(va, kind).fault;
  }
  size_t reads(uint64_t va) {
    EXPECT_EQ(fault(va), FaultReason::None);
    return listener.seen.size();
  }
  void put4(PhysAddr address, uint64_t value) {
    ASSERT_EQ(value >> 32, 0u);
    uint64_t& word = *machine.frames().words(PhysAddr(address.value() & ~uint64_t{7}));
    const unsigned shift = (address.value() & 4) != 0 ? 32 : 0;
    word = (word & ~(uint64_t{0xffffffff} << shift)) | value << shift;
  }
  uint64_t get4(PhysAddr address) {
    const uint64_t word = *machine.frames().words(PhysAddr(address.value() & ~uint64_t{7}));
    return ((address.value() & 4) != 0 ? word >> 32 : word) & 0xffffffff;
  }
  void put8(PhysAddr address, uint64_t value) { *machine.frames().words(address) = value; }
  uint64_t get8(PhysAddr address) { return *machine.frames().words(address); }

  Listener listener;
  Machine machine;
  Walker walker;
  PhysAddr root;
};

class TwoLevels : public I386Walk {
 protected:
  TwoLevels() : I386Walk("[paging]\nlevels = 2\n[psc]\npde.entries = 2\n"), table(new_table()) {
    put4(pde(), table.value() | kTable);
    put4(pte(), 0x1234'5000 | kP | kW | kU | kA | kD);
  }
  PhysAddr new_table() { return machine.new_table(); }
  // Address bits 31:22 are 0x2dd, 21:12 are 0x254.
  [[nodiscard]] PhysAddr pde() const { return root + 0x2dd * 4; }
  [[nodiscard]] PhysAddr pte() const { return table + 0x254 * 4; }
  PhysAddr table;
};

TEST_F(TwoLevels, ReadsAPdeAndAPteOfFourBytes) {
  const mmu::WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.pfn, Pfn(0x12345));
  EXPECT_EQ(found.leaf.size, k4K);
  EXPECT_EQ(found.leaf.rights,
            Rights(Rights::kRead | Rights::kWrite | Rights::kExec | Rights::kUser));
  EXPECT_EQ(listener.seen,
            (std::vector<Listener::Reference>{{pde().value(), 4, false, table.value() | kTable},
                                              {pte().value(), 4, false, 0x1234'5067}}));
  EXPECT_EQ(walker.counters().started[1], 1u);
  // The next page: its PTE is the other half of the same 8 bytes' neighbour; the PDE is cached.
  put4(pte() + 4, 0xffff'f000 | kCode);
  EXPECT_EQ(walk(kVa + 0x1000).leaf.pfn, Pfn(0xfffff));
  EXPECT_EQ(listener.seen.size(), 1u);
  EXPECT_EQ(walker.counters().started[0], 1u);
}

TEST_F(TwoLevels, FourMegabyteLeavesTakeOneRead) {
  put4(pde(), 0x0bc0'0000 | kPS | kP | kW | kU | kA | kD);
  const mmu::WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.pfn, Pfn(0xbc00));
  EXPECT_EQ(found.leaf.size, k4M);
  EXPECT_EQ(listener.seen.size(), 1u);
  EXPECT_EQ(reads(kVa), 1u);  // no walk cache holds a leaf
  put4(pde(), 0x0bc0'1000 | kPS | kCode);
  EXPECT_EQ(walk(kVa).leaf.pfn, Pfn(0xbc00));  // bit 12 is PAT
  for (unsigned bit = 13; bit < 22; ++bit) {
    put4(pde(), uint64_t{0x0bc0'0000} | uint64_t{1} << bit | kPS | kCode);
    EXPECT_EQ(fault(kVa), FaultReason::Malformed) << bit;
  }
}

TEST_F(TwoLevels, UpdatesTouchFourBytesOnly) {
  put4(pde(), table.value() | kP | kW | kU);
  put4(pte(), 0x1234'5000 | kP | kW | kU);
  put4(pte() + 4, 0xdead'beef);
  put4(pte() - 4, 0xcafe'f00d);
  ASSERT_EQ(fault(kVa, AccessKind::Store), FaultReason::None);
  EXPECT_EQ(get4(pde()), table.value() | kP | kW | kU | kA);
  EXPECT_EQ(get4(pte()), 0x1234'5067u);
  EXPECT_EQ(get4(pte() + 4), 0xdead'beefu);
  EXPECT_EQ(get4(pte() - 4), 0xcafe'f00du);
  EXPECT_EQ(listener.seen, (std::vector<Listener::Reference>{
                               {pde().value(), 4, false, table.value() | kP | kW | kU},
                               {pde().value(), 4, true, table.value() | kP | kW | kU | kA},
                               {pte().value(), 4, false, 0x1234'5007},
                               {pte().value(), 4, true, 0x1234'5067}}));
  // The upper half of 8 bytes, too.
  put4(pte() + 4, 0x1234'6000 | kP | kW | kU);
  ASSERT_EQ(fault(kVa + 0x1000, AccessKind::Store), FaultReason::None);
  EXPECT_EQ(get4(pte() + 4), 0x1234'6067u);
  EXPECT_EQ(get4(pte()), 0x1234'5067u);
}

TEST_F(TwoLevels, RightsOfBothLevelsCountAndNoneRefusesFetches) {
  put4(pte(), 0x1234'5000 | kP | kU | kA);
  EXPECT_EQ(fault(kVa, AccessKind::Fetch), FaultReason::None);
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  put4(pte(), 0x1234'5000 | kP | kW | kA);
  EXPECT_EQ(fault(kVa), FaultReason::Protection);
  put4(pte(), 0x1234'5067);
  walker.caches().invalidate_all();
  put4(pde(), table.value() | kP | kU | kA);
  EXPECT_EQ(fault(kVa, AccessKind::Store), FaultReason::Protection);
  put4(pde(), 0);
  EXPECT_EQ(fault(kVa), FaultReason::NotPresent);
  EXPECT_EQ(listener.seen.size(), 1u);
}

TEST_F(TwoLevels, ThePdeCacheIsTaggedWithTheUpperTenBits) {
  for (const uint64_t block : {uint64_t{1}, uint64_t{2}}) {
    const PhysAddr other = new_table();
    put4(root + (0x2dd + block) * 4, other.value() | kTable);
    put4(other + 0x254 * 4, 0x2222'2000 | kCode);
  }
  const uint64_t a = kVa, b = kVa + 0x400000, c = kVa + 0x800000;
  EXPECT_EQ(reads(a), 2u);
  EXPECT_EQ(reads(b), 2u);
  EXPECT_EQ(reads(a), 1u);
  EXPECT_EQ(reads(c), 2u);  // b makes room
  EXPECT_EQ(reads(a), 1u);
  EXPECT_EQ(reads(b), 2u);
}

class Pae : public I386Walk {
 protected:
  Pae()
      : I386Walk("[paging]\nlevels = 3\nphysical_bits = 36\n[psc]\npde.entries = 2\n"),
        directory(machine.new_table()),
        table(machine.new_table()) {
    put8(pdpte(), directory.value() | kP);
    put8(pde(), table.value() | kTable);
    put8(pte(), 0xf'2345'6000 | kData);
  }
  // Address bits 31:30 are 2, 29:21 are 0x1bb, 20:12 are 0x54.
  [[nodiscard]] PhysAddr pdpte() const { return root + 2 * 8; }
  [[nodiscard]] PhysAddr pde() const { return directory + 0x1bb * 8; }
  [[nodiscard]] PhysAddr pte() const { return table + 0x54 * 8; }
  PhysAddr directory;
  PhysAddr table;
};

TEST_F(Pae, LoadingCr3ReadsFourPdptesAndAWalkNone) {
  walker.load_pdptes(root);
  EXPECT_EQ(listener.seen,
            (std::vector<Listener::Reference>{{root.value(), 8, false, 0},
                                              {root.value() + 8, 8, false, 0},
                                              {root.value() + 16, 8, false, directory.value() | kP},
                                              {root.value() + 24, 8, false, 0}}));
  EXPECT_EQ(walker.pdpte_loads(), 4u);
  EXPECT_EQ(machine.walker_reads(2), 4u);

  const mmu::WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.pfn, Pfn(0xf'2345'6));
  EXPECT_EQ(listener.seen,
            (std::vector<Listener::Reference>{{pde().value(), 8, false, table.value() | kTable},
                                              {pte().value(), 8, false, 0xf'2345'6000 | kData}}));
  EXPECT_EQ(walker.counters().started[1], 1u);
  EXPECT_EQ(reads(kVa), 1u);  // below the cached PDE
  EXPECT_EQ(walker.pdpte_loads(), 4u);
}

TEST_F(Pae, TwoMegabyteLeavesTakeOneRead) {
  put8(pde(), 0xf'0060'0000 | kPS | kData);
  walker.load_pdptes(root);
  const mmu::WalkResult found = walk(kVa);
  ASSERT_EQ(found.fault, FaultReason::None);
  EXPECT_EQ(found.leaf.size, k2M);
  EXPECT_EQ(found.leaf.pfn, Pfn(0xf'0060'0));
  EXPECT_EQ(listener.seen.size(), 1u);
}

TEST_F(Pae, WalksGoByTheRegisters) {
  EXPECT_TRUE(walker.pdptes_stale(root));
  EXPECT_EQ(fault(kVa), FaultReason::NotPresent);  // not loaded yet
  EXPECT_TRUE(listener.seen.empty());
  walker.load_pdptes(root);
  EXPECT_FALSE(walker.pdptes_stale(root));
  put8(pdpte(), 0);
  EXPECT_TRUE(walker.pdptes_stale(root));
  EXPECT_EQ(fault(kVa), FaultReason::None);
  std::vector<uint64_t> tables;
  walker.for_each_pdpte([&](PhysAddr address) { tables.push_back(address.value()); });
  EXPECT_EQ(tables, std::vector<uint64_t>{directory.value()});
}

TEST_F(Pae, PdptesGiveNoRightsAndGetNoAccessedBit) {
  walker.load_pdptes(root);
  ASSERT_EQ(fault(kVa, AccessKind::Store), FaultReason::None);
  EXPECT_EQ(get8(pdpte()), directory.value() | kP);
  EXPECT_EQ(fault(kVa, AccessKind::Fetch), FaultReason::Protection);  // XD in the PTE
  // PWT, PCD and what software may use are of no account; all else is reserved.
  put8(pdpte(), directory.value() | kP | 0x18 | 0xe00);
  walker.load_pdptes(root);
  walker.caches().invalidate_all();
  EXPECT_EQ(fault(kVa), FaultReason::None);
  for (const unsigned bit : {1u, 2u, 5u, 6u, 7u, 8u, 36u, 51u, 52u, 62u, 63u}) {
    put8(pdpte(), directory.value() | kP | uint64_t{1} << bit);
    walker.load_pdptes(root);
    walker.caches().invalidate_all();
    EXPECT_EQ(fault(kVa), FaultReason::Malformed) << bit;
    EXPECT_TRUE(listener.seen.empty());
  }
}

TEST_F(Pae, BitsFromThePhysicalAddressToXdAreReserved) {
  walker.load_pdptes(root);
  for (const unsigned bit : {36u, 51u, 52u, 58u, 62u}) {
    put8(pte(), 0x1000 | kData | uint64_t{1} << bit);
    EXPECT_EQ(fault(kVa), FaultReason::Malformed) << bit;
  }
  put8(pte(), 0x1000 | kData | uint64_t{1} << 35);
  EXPECT_EQ(fault(kVa), FaultReason::None);
}

TEST_F(Pae, Cr3CannotNameATableBeyondFourGigabytes) {
  EXPECT_THROW(walker.load_pdptes(PhysAddr(0x1'0000'0000)), Error);
}

}  // namespace i386_walk_test
}  // namespace mmusim::x86::testing
