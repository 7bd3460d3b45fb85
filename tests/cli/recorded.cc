// What a trace says of tests/cli/data/probes.c, for tests/cli/record_isas.sh:
//
//   recorded TRACE ZEROED PROBE MAPPED CALM FAULTY
//
// (addresses as the program prints them) prints a line each of names and numbers. Of the first
// process: how many bytes of the 40000 at ZEROED were stored; loads at PROBE; calls of mmap that
// gave MAPPED, and of munmap of it; register windows stored and loaded (16 accesses of 8 bytes side
// by side by one instruction), and how many were not loaded from where the last one not yet loaded
// had been stored; instructions of the functions CALM and FAULTY, which are alike. Of all: forks,
// exits with status 7, loads at PROBE and instructions of FAULTY by others.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <vector>

#include "trace/reader.h"

namespace mmusim {
namespace {

constexpr uint64_t kZeroed = 40000;
constexpr unsigned kWindow = 16;
constexpr unsigned kRegisterBytes = 8;

class Probes {
 public:
  Probes(uint64_t zeroed, uint64_t probe, uint64_t mapped, uint64_t calm, uint64_t faulty)
      : zeroed_(zeroed),
        probe_(probe),
        mapped_(mapped),
        calm_(calm),
        faulty_(faulty),
        stored_(kZeroed) {}

  void take(const trace::Batch& batch) {
    if (first_ == Pid(0)) first_ = batch.thread.pid;
    if (batch.event != nullptr)
      event(*batch.event, batch.thread.pid);
    else
      blocks(batch);
  }
  void print() const {
    uint64_t bytes = 0;
    for (const bool stored : stored_)
      bytes += stored ? 1 : 0;
    const auto line = [](const char* name, uint64_t number) {
      std::printf("%s %ju\n", name, static_cast<uintmax_t>(number));
    };
    line("zeroed", bytes);
    line("probes", probes_);
    line("child_probes", child_probes_);
    line("mmaps", mmaps_);
    line("munmaps", munmaps_);
    line("forks", forks_);
    line("sevens", sevens_);
    line("calm", calm_instructions_);
    line("faulty", faulty_instructions_);
    line("child_faulty", child_faulty_);
    line("windows_stored", windows_stored_);
    line("windows_loaded", windows_loaded_);
    line("windows_astray", astray_);
  }

 private:
  void event(const trace::Event& event, Pid pid) {
    if (const auto* mmap = std::get_if<trace::MmapEvent>(&event))
      mmaps_ += pid == first_ && mmap->result == static_cast<int64_t>(mapped_) &&
                        mmap->length == 3 << 16 && mmap->prot == 3 && mmap->flags == 0x4022
                    ? 1
                    : 0;
    if (const auto* munmap = std::get_if<trace::MunmapEvent>(&event))
      munmaps_ += pid == first_ && munmap->start == VirtAddr(mapped_) &&
                          munmap->length == 3 << 16 && munmap->result == 0
                      ? 1
                      : 0;
    forks_ += std::holds_alternative<trace::ForkEvent>(event) ? 1 : 0;
    if (const auto* exit = std::get_if<trace::ExitEvent>(&event))
      sevens_ += exit->status == 7 << 8 ? 1 : 0;
  }

  void blocks(const trace::Batch& batch) {
    const uint64_t* address = batch.addresses;
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      const uint64_t* const own = address;
      for (unsigned i = 0; i < block.mem_ops; ++i)
        access(block.ops[i], *address++, batch.thread.pid == first_);
      if (batch.thread.pid == first_) windows(block, own);
      code(block, batch.thread.pid == first_);
    }
  }

  // FAULTY comes right behind CALM in the program, and is as long.
  void code(const trace::StaticBlock& block, bool first) {
    uint64_t at = block.start.value();
    for (unsigned i = 0; i < block.instructions; at += block.lengths[i++]) {
      if (first && at - calm_ < faulty_ - calm_) ++calm_instructions_;
      if (at - faulty_ < faulty_ - calm_) ++(first ? faulty_instructions_ : child_faulty_);
    }
  }

  void access(const trace::MemOp& op, uint64_t address, bool first) {
    if (op.kind != AccessKind::Store && address == probe_) ++(first ? probes_ : child_probes_);
    if (!first || op.kind == AccessKind::Load) return;
    for (uint64_t i = 0; i < op.bytes; ++i)
      if (address + i - zeroed_ < kZeroed) stored_[address + i - zeroed_] = true;
  }

  void windows(const trace::StaticBlock& block, const uint64_t* addresses) {
    const auto follows = [&](unsigned i) {
      const trace::MemOp& last = block.ops[i - 1];
      return block.ops[i].instruction == last.instruction && block.ops[i].kind == last.kind &&
             block.ops[i].bytes == kRegisterBytes &&
             addresses[i] == addresses[i - 1] + kRegisterBytes;
    };
    for (unsigned begin = 0, end = 1; begin < block.mem_ops; begin = end++) {
      while (end < block.mem_ops && end - begin < kWindow && follows(end))
        ++end;
      if (end - begin == kWindow) window(block.ops[begin].kind, addresses[begin]);
    }
  }
  void window(AccessKind kind, uint64_t address) {
    if (kind == AccessKind::Store) {
      ++windows_stored_;
      in_memory_.push_back(address);
      return;
    }
    ++windows_loaded_;
    if (in_memory_.empty() || in_memory_.back() != address)
      ++astray_;
    else
      in_memory_.pop_back();
  }

  uint64_t zeroed_;
  uint64_t probe_;
  uint64_t mapped_;
  uint64_t calm_;
  uint64_t faulty_;
  uint64_t calm_instructions_ = 0;
  uint64_t faulty_instructions_ = 0;
  uint64_t child_faulty_ = 0;
  Pid first_{0};
  std::vector<bool> stored_;
  std::vector<uint64_t> in_memory_;  // windows
  uint64_t probes_ = 0;
  uint64_t child_probes_ = 0;
  uint64_t mmaps_ = 0;
  uint64_t munmaps_ = 0;
  uint64_t forks_ = 0;
  uint64_t sevens_ = 0;
  uint64_t windows_stored_ = 0;
  uint64_t windows_loaded_ = 0;
  uint64_t astray_ = 0;
};

}  // namespace
}  // namespace mmusim

int main(int argc, char** argv) {
  try {
    if (argc != 7)
      throw std::invalid_argument("usage: recorded TRACE ZEROED PROBE MAPPED CALM FAULTY");
    mmusim::trace::Reader reader(argv[1]);
    mmusim::Probes probes(std::stoull(argv[2]), std::stoull(argv[3]), std::stoull(argv[4]),
                          std::stoull(argv[5]), std::stoull(argv[6]));
    mmusim::trace::Batch batch;
    while (reader.next(batch))
      probes.take(batch);
    probes.print();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "recorded: %s\n", error.what());
    return 1;
  }
}
