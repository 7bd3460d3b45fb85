// What page tables say of their words, for words worked out by hand from the formats in
// pt/gpt/entry.h and pt/hashed/store.h, put into memory of nobody's.
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/gpt/gpt.h"
#include "pt/hashed/hashed.h"

namespace mmusim::pt {
namespace describe_test {

using conformance::layout_named;
using conformance::Machine;

constexpr uint64_t kBase = 0x1000'0000'0000;

class Describing : public testing::Test {
 protected:
  explicit Describing(const Backend& backend, const std::string& settings = "",
                      const char* layout = "x86_64")
      : machine(backend, layout_named(layout), settings), table(machine.factory->create(MmId(1))) {}

  // Of words that stand at `scratch`.
  std::string text(std::vector<uint64_t> words, unsigned part, uint64_t va) {
    for (size_t i = 0; i < words.size(); ++i)
      machine.memory.words(scratch)[i] = words[i];
    const WordText told = table->describe({.address = scratch,
                                           .bytes = static_cast<uint8_t>(8 * words.size()),
                                           .part = static_cast<uint8_t>(part)},
                                          VirtAddr(va));
    return std::string(told.what) + ": " + told.fields;
  }
  // Of all words a walk reads.
  [[nodiscard]] std::vector<std::string> walk(uint64_t va) const {
    WalkPath path;
    static_cast<void>(table->walk(VirtAddr(va), path));
    std::vector<std::string> texts;
    for (const WalkStep& step : path.steps()) {
      const WordText told = table->describe(step, VirtAddr(va));
      texts.push_back(std::string(told.what) + ": " + told.fields);
    }
    return texts;
  }
  void map(uint64_t va, unsigned log2 = 12) {
    const Slot slot = table->ensure(VirtAddr(va), PageShift(log2));
    ASSERT_EQ(slot.status, Status::Ok);
    const Entry leaf = machine.format.make_leaf(
        {.pfn = Pfn(512), .size = PageShift(log2), .rights = Rights(Rights::kRead)});
    ASSERT_EQ(table->install(slot.handle, slot.entry, leaf), Status::Ok);
  }

  Machine machine;
  std::unique_ptr<PageTable> table;
  PhysAddr scratch =
      machine.memory.address_of(*machine.memory.allocate(0, mem::FrameUse::Table, 0));
};

class DescribingGpt : public Describing {
 protected:
  DescribingGpt() : Describing(gpt::backend()) {}
};

// Internal (1), a guard of 5 bits (0x14), 2^9 slots (0x800); the guard is 10110. The table at
// 0x12340, 3 slots full (at bit 13), 0x105 valid. 12 bits of the address are used, so that its
// bits 51:47 are compared.
TEST_F(DescribingGpt, Internal) {
  const std::vector<uint64_t> words = {0xb000'0000'0000'0815, 0x24'6800'6105};
  EXPECT_EQ(
      text(words, 12, 0x000b'0000'0000'0000),
      "GPT entry: kind=internal guard=0x16/5 agrees slots=2^9 table=0x12340 valid=261 full=3");
  EXPECT_EQ(text(words, 12, 0x000a'7fff'ffff'ffff),
            "GPT entry: kind=internal guard=0x16/5 differs at bit 48 slots=2^9 table=0x12340 "
            "valid=261 full=3");
}

// Leaf (2). 8 slots of a page each hold it: 32K. With 40 bits used and a guard of 12 (0x30): 4K.
TEST_F(DescribingGpt, Leaves) {
  EXPECT_EQ(text({0x302, 0x77'0006}, 52, 0),
            "GPT entry: kind=leaf guard=none copies=2^3 covers=32K pte: leaf of 32768 bytes");
  EXPECT_EQ(text({0xabc0'0000'0000'0032, 0}, 40, 0xabc'123),
            "GPT entry: kind=leaf guard=0xabc/12 agrees copies=2^0 covers=4K pte: none");
  // The last bit of the guard is bit 12 of the address.
  EXPECT_EQ(text({0xabc0'0000'0000'0032, 0}, 40, 0xabd'123),
            "GPT entry: kind=leaf guard=0xabc/12 differs at bit 12 copies=2^0 covers=4K pte: none");
}

TEST_F(DescribingGpt, Others) {
  EXPECT_EQ(text({0, 0}, 20, kBase), "GPT entry: kind=invalid");
  // Invalid with a guard length of 63 (0xfc).
  EXPECT_EQ(text({0xfc, 0}, 20, kBase), "GPT entry: kind=moved: begin again at the root");
  // Shared (3): the root at 0x4040, for reading (1) by the user (8).
  EXPECT_EQ(text({0x3, 0x8'0800'0009}, 20, kBase),
            "GPT entry: kind=shared guard=none root=0x4040 rights=r--u");
}

// A single page is in the root, all of its 52 bits a guard.
TEST_F(DescribingGpt, AWalk) {
  map(kBase + 0x5000);
  EXPECT_EQ(walk(kBase + 0x5000),
            (std::vector<std::string>{"GPT root: kind=leaf guard=0x100000005/52 agrees copies=2^0 "
                                      "covers=4K pte: leaf of 4096 bytes"}));
  // 5 is 101, 4 is 100.
  EXPECT_EQ(walk(kBase + 0x4000),
            (std::vector<std::string>{"GPT root: kind=leaf guard=0x100000005/52 differs at bit 12 "
                                      "copies=2^0 covers=4K pte: leaf of 4096 bytes"}));
}

using hashed::Part;
using hashed::part_of;

class DescribingHashed : public Describing {
 protected:
  DescribingHashed() : Describing(hashed::backend()) {}
};

// Leaves of 2M are class 1.
TEST_F(DescribingHashed, Tags) {
  const std::vector<uint64_t> word = {0x1000'0020'0001};
  EXPECT_EQ(text(word, part_of(Part::Tag, 1), 0x1000'003a'bcde),
            "node tag: first=0x100000200000 class=1 (1 x 2M): the one looked for");
  EXPECT_EQ(text(word, part_of(Part::Tag, 1), 0x1000'0040'0000),
            "node tag: first=0x100000200000 class=1 (1 x 2M): another");
  // Met while a page is looked for.
  EXPECT_EQ(text(word, part_of(Part::Tag, 0), 0x1000'0020'0000),
            "node tag: first=0x100000200000 class=1 (1 x 2M): another");
}

TEST_F(DescribingHashed, OtherWords) {
  EXPECT_EQ(text({0}, part_of(Part::Next, 0), kBase), "node next: none");
  EXPECT_EQ(text({0x5018}, part_of(Part::Next, 2), kBase), "node next: node at 0x5018");
  EXPECT_EQ(text({0}, part_of(Part::Entry, 0), kBase), "PTE: none");
  // Present (2) and large (4).
  EXPECT_EQ(text({0x200'0006}, part_of(Part::Entry, 1), kBase), "PTE: leaf of 2097152 bytes");
}

// Bucket (va >> 12) x 0x9e3779b97f4a7c15 >> 55 of 2^9: for 2^32 the upper 9 bits of 0x7f4a7c15
// 0000'0000, which are 0 1111 1110 (0xfe).
TEST_F(DescribingHashed, AWalk) {
  map(kBase);
  const std::vector<std::string> texts = walk(kBase);
  ASSERT_EQ(texts.size(), 3u);
  WalkPath path;
  static_cast<void>(table->walk(VirtAddr(kBase), path));
  EXPECT_EQ(texts[0], fmt::format("bucket: number=0xfe of 2^9, for leaves of 4K: node at {:#x}",
                                  path.steps()[1].address.value()));
  EXPECT_EQ(texts[1], "node tag: first=0x100000000000 class=0 (1 x 4K): the one looked for");
  EXPECT_EQ(texts[2], "PTE: leaf of 4096 bytes");
}

class DescribingClustered : public Describing {
 protected:
  DescribingClustered()
      : Describing(hashed::clustered_backend(), "[pt.clustered]\nscope = global\n") {}
};

// A block is 16 pages. Space 1 asks.
TEST_F(DescribingClustered, ABlockOfAll) {
  EXPECT_EQ(text({0x1000'0001'0000}, part_of(Part::Tag, 0), 0x1000'0001'ffff),
            "node tag: first=0x100000010000 class=0 (16 x 4K): the one looked for");
  EXPECT_EQ(text({1}, part_of(Part::Space, 0), kBase), "node space: space=1: the one looked for");
  EXPECT_EQ(text({7}, part_of(Part::Space, 0), kBase), "node space: space=7: another");
  map(kBase + 0x3000);
  EXPECT_EQ(walk(kBase + 0x4000).back(), "PTE: none");
  EXPECT_EQ(walk(kBase + 0x4000).size(), 4u);
}

class DescribingMlpt : public Describing {
 protected:
  DescribingMlpt() : Describing(backends().front()) {}
};

TEST_F(DescribingMlpt, AWalk) {
  map(kBase);
  map(kBase + (uint64_t{2} << 20), 21);
  EXPECT_EQ(walk(kBase),
            (std::vector<std::string>{
                "PGD entry: table of 549755813888 bytes", "PUD entry: table of 1073741824 bytes",
                "PMD entry: table of 2097152 bytes", "PTE: leaf of 4096 bytes"}));
  EXPECT_EQ(walk(kBase + 0x1000).back(), "PTE: none");
  EXPECT_EQ(walk(kBase + (uint64_t{2} << 20)).back(), "PMD entry: leaf of 2097152 bytes");
}

// Entries of 4 bytes: page 1's is the upper half of a word of 8.
class DescribingNarrow : public Describing {
 protected:
  DescribingNarrow() : Describing(backends().front(), "", "i386") {}
};

TEST_F(DescribingNarrow, AWalk) {
  map(0x1000);
  EXPECT_EQ(walk(0x1000), (std::vector<std::string>{"PGD entry: table of 4194304 bytes",
                                                    "PTE: leaf of 4096 bytes"}));
  EXPECT_EQ(walk(0).back(), "PTE: none");
}

}  // namespace describe_test
}  // namespace mmusim::pt
