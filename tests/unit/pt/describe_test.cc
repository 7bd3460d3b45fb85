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

// A prefix of 17 bits, 0000'0000'0000'1011'0, one to the right; 63 - 17 = 46 (0x2e) bits behind it;
// of 2^9 slots, 46 - 9 = 37 behind the index (37 << 6). The table at 0x12340, 3 slots full, 0x105
// << 43 valid.
TEST_F(DescribingGpt, Internal) {
  const std::vector<uint64_t> words = {0x0005'8000'0000'096e, 0x0008'2800'0001'2343};
  EXPECT_EQ(text(words, 1, 0x000b'0000'0000'0000),
            "GPT entry: kind=internal prefix=0xb000000000000/17 agrees slots=2^9 table=0x12340 "
            "valid=261 full=3");
  EXPECT_EQ(text(words, 1, 0x000a'7fff'ffff'ffff),
            "GPT entry: kind=internal prefix=0xb000000000000/17 differs at bit 48 slots=2^9 "
            "table=0x12340 valid=261 full=3");
  // A line (1 << 63): none is index (46 << 6); 3 << 43 entries, in room for 2^2.
  EXPECT_EQ(text({0x0005'8000'0000'0bae, 0x8000'1800'0001'2342}, 1, 0x000b'0000'0000'0000),
            "GPT entry: kind=internal prefix=0xb000000000000/17 agrees line=0x12340 entries=3");
}

// Leaf (1 << 6): 15 bits less than 64 are 32K, 63 - 49 = 14. The second of a line.
TEST_F(DescribingGpt, Leaves) {
  EXPECT_EQ(text({0x8000'0000'0000'004e, 0x77'0006}, 1, 0x4000),
            "GPT entry: kind=leaf prefix=0x0/49 agrees covers=32K pte: leaf of 32768 bytes");
  // The last bit of the prefix is bit 12 of the address.
  EXPECT_EQ(text({0, 0, 0x8000'0000'0055'e04b, 0}, 2, 0xabd'123),
            "GPT entry: kind=leaf prefix=0xabc000/52 differs at bit 12 covers=4K pte: none "
            "(entry 2 of a line)");
  EXPECT_EQ(text({0, 0, 0x8000'0000'0055'e04b, 0}, 2, 0xabc'123),
            "GPT entry: kind=leaf prefix=0xabc000/52 agrees covers=4K pte: none "
            "(entry 2 of a line)");
}

TEST_F(DescribingGpt, Others) {
  EXPECT_EQ(text({0, 0}, 1, kBase), "GPT entry: kind=invalid");
  EXPECT_EQ(text({0x8000'0000'0000'003f, 0}, 1, kBase),
            "GPT entry: kind=moved: begin again at the root");
  // Shared (4 << 6), 63 - 8 = 55 (0x37): the root at 0x4040, for reading (1) by the user (8).
  EXPECT_EQ(text({0x8000'0000'0000'0137, 0x4049}, 1, kBase),
            "GPT entry: kind=shared prefix=0x0/8 agrees root=0x4040 rights=r--u");
  // Array (2 << 6) of 2^3 pages, 5 << 43 handed out; a word of one.
  EXPECT_EQ(text({0x8000'0000'0000'808e, 0x0000'2800'0000'07c0}, 1, 0x12000),
            "GPT entry: kind=array prefix=0x10000/49 agrees pages=2^3 words=0x7c0 handed out=5");
  EXPECT_EQ(text({0}, 0, kBase), "GPT array: pte: none");
}

// A single page is in the root, all of its 52 bits the prefix.
TEST_F(DescribingGpt, AWalk) {
  map(kBase + 0x5000);
  EXPECT_EQ(walk(kBase + 0x5000),
            (std::vector<std::string>{"GPT root: kind=leaf prefix=0x100000005000/52 agrees "
                                      "covers=4K pte: leaf of 4096 bytes"}));
  // 5 is 101, 4 is 100.
  EXPECT_EQ(walk(kBase + 0x4000),
            (std::vector<std::string>{"GPT root: kind=leaf prefix=0x100000005000/52 differs at bit "
                                      "12 covers=4K pte: leaf of 4096 bytes"}));
  // Another far away: a line of two, to which the root, which is at hand, leads.
  map(kBase + 0x4000'0000);
  EXPECT_EQ(walk(kBase + 0x5000),
            (std::vector<std::string>{"GPT entry: kind=leaf prefix=0x100000005000/52 agrees "
                                      "covers=4K pte: leaf of 4096 bytes (entry 2 of a line)"}));
  // A page beside it: the two go into an array.
  map(kBase + 0x4000'1000);
  EXPECT_EQ(walk(kBase + 0x4000'0000).back(), "GPT array: pte: leaf of 4096 bytes");
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
