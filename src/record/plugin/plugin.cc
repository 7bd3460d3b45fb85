// The plug-in that `mmusim record` loads into QEMU's user-mode emulation: it writes what the
// program does into the memory shared with the collector (record/ring.h). No file stays open and no
// thread is started, so that the program's own descriptors and threads are what they were.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <mutex>
#include <optional>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "record/plugin/calling.h"
#include "record/plugin/cpu.h"
#include "record/plugin/fault.h"
#include "record/plugin/guest.h"
#include "record/plugin/image.h"
#include "record/plugin/placement.h"
#include "record/plugin/producer.h"
#include "record/plugin/qemu_api.h"
#include "record/plugin/registers.h"
#include "record/plugin/remap.h"
#include "record/plugin/unreported.h"
#include "record/plugin/x86.h"
#include "record/program.h"

namespace mmusim::record::plugin {

Guest guest;
Placement placement;
std::mutex definitions_lock;  // QEMU translates in one thread at a time; this makes sure
uint32_t next_block = 0;
Cpu cpus[kMostCpus];
std::atomic<unsigned> cpus_used{1};
thread_local Cpu* own_cpu = nullptr;
thread_local bool forking = false;

namespace {

constexpr uint8_t kUnknownTag = 0xff;
std::array<uint8_t, size_t{1} << 18> tag_of{};  // by qemu_plugin_meminfo_t
bool image_told = false;
bool watches = false;  // for what QEMU does not report
size_t arguments_at = 0;
uint64_t program_bytes = 0;

}  // namespace

// --- What happens at every block and access

void first_word(Cpu& cpu) {
  own_cpu = &cpu;
  const auto used = static_cast<unsigned>(&cpu - cpus) + 1;
  unsigned before = cpus_used.load();
  while (before < used && !cpus_used.compare_exchange_weak(before, used)) {
  }
  attach(cpu.producer, Birth{.kind = StartKind::Thread,
                             .parent_process = static_cast<uint32_t>(getpid()),
                             .parent_thread = cpu.maker,
                             .clone_flags = cpu.clone_flags,
                             .first_block = 0});
}

namespace {

// A number may come only before a block: its accesses follow it at once.
[[gnu::noinline]] void need_room(Cpu& cpu, bool numbers) {
  if (cpu.zeroing != 0) {
    tell_zeroed(cpu);
    if (cpu.producer.at != cpu.producer.limit) return;
  }
  if (cpu.producer.head == nullptr)
    first_word(cpu);
  else
    make_room(cpu.producer, numbers);
}

}  // namespace

void put(Cpu& cpu, uint64_t word) {
  if (__builtin_expect(cpu.producer.at == cpu.producer.limit, 0)) need_room(cpu, false);
  cpu.producer.put(word);
}

namespace {

// on_block() and on_access() are most of what the plug-in costs: whatever calls something else is a
// function of its own, so that nothing needs saving in them.
[[gnu::noinline]] void block_without_room(unsigned vcpu, void* word) {
  Cpu& cpu = cpus[vcpu];
  need_room(cpu, true);
  cpu.producer.put(reinterpret_cast<uint64_t>(word));
}

void on_block(unsigned vcpu, void* word) {
  Cpu& cpu = cpus[vcpu];
  if (__builtin_expect(cpu.producer.at == cpu.producer.limit, 0))
    return block_without_room(vcpu, word);
  cpu.producer.publish();  // the block before
  cpu.producer.put(reinterpret_cast<uint64_t>(word));
}

uint8_t learn_tag(qemu_plugin_meminfo_t info) {
  const auto tag = static_cast<uint8_t>(qemu_plugin_mem_size_shift(info) << 1 |
                                        (qemu_plugin_mem_is_store(info) ? 1u : 0u));
  if (info < tag_of.size()) tag_of[info] = tag;
  return tag;
}

[[gnu::noinline]] void unusual_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address,
                                      void* index) {
  Cpu& cpu = cpus[vcpu];
  const uint64_t tag = learn_tag(info);
  if (fits_memory_word(address)) {
    put(cpu, memory_word(address, tag | reinterpret_cast<uint64_t>(index)));
  } else {
    put(cpu, sized_word(kSizedTag, index_of(reinterpret_cast<uint64_t>(index)), (tag & 1) != 0,
                        uint64_t{1} << (tag >> 1)));
    put(cpu, address);
  }
}

void on_access(unsigned vcpu, qemu_plugin_meminfo_t info, uint64_t address, void* index) {
  Cpu& cpu = cpus[vcpu];
  const uint64_t tag = info < tag_of.size() ? tag_of[info] : kUnknownTag;
  if (__builtin_expect(
          tag == kUnknownTag || !fits_memory_word(address) || cpu.producer.at == cpu.producer.limit,
          0))
    return unusual_access(vcpu, info, address, index);
  cpu.producer.put(memory_word(address, tag | reinterpret_cast<uint64_t>(index)));
}

// --- What QEMU does not report

// What a callback is told of an instruction that writes a block of zeros, in a word: its place in
// its block, its registers; the address is known when it has been executed.
constexpr uint64_t kZeroing = uint64_t{1} << 63;
constexpr uint64_t zero_word(size_t index, const Unreported& what) {
  return kZeroing | uint64_t{index} << 16 | uint64_t{what.first} << 8 | what.second;
}
uint64_t zero_bytes = 0;  // of one block
bool is_power = false;    // else aarch64

}  // namespace

// The instruction has been executed, and its registers are what they were then.
void tell_zeroed(Cpu& cpu) {
  const uint64_t word = std::exchange(cpu.zeroing, 0);
  if (word == 0) return;
  uint64_t address = 0;
  for (const uint64_t number : {word >> 8 & 0xff, word & 0xff}) {
    if (number == Unreported::kNoRegister) continue;
    const std::optional<uint64_t> value =
        cpu.registers.read(is_power, static_cast<unsigned>(number));
    if (!value) {
      share()->unseen.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    address += *value;
  }
  const uint64_t index = (word & ~kZeroing) >> 16;
  put(cpu, sized_word(kSizedTag, index, true, zero_bytes));
  put(cpu, address & ~(zero_bytes - 1));
}

namespace {

void on_zeroing(unsigned vcpu, void* word) {
  cpus[vcpu].zeroing = reinterpret_cast<uint64_t>(word);
}
// The last of its block: whatever is written next comes to need_room() first.
void on_zeroing_last(unsigned vcpu, void* word) {
  Cpu& cpu = cpus[vcpu];
  if (stopped()) return;
  cpu.zeroing = reinterpret_cast<uint64_t>(word);
  cpu.producer.limit = cpu.producer.at;
}
void on_zeroed(unsigned vcpu, void* /*data*/) {
  tell_zeroed(cpus[vcpu]);
}

// SPARC. An instruction that needs a window stored or loaded traps, QEMU does it, and the
// instruction is executed again, at the beginning of another block. So it is one that begins twice
// with nothing written in between.
struct WindowBlock {  // one that begins with such an instruction
  uint64_t word;
  uint64_t start;
  Unreported::Kind kind;
};
constexpr uint64_t window_word(uint64_t address, size_t index) {
  return address << kWindowIndexBits | index;
}

void on_window(unsigned vcpu, void* word) {
  Cpu& cpu = cpus[vcpu];
  cpu.window_word = reinterpret_cast<uint64_t>(word);
  cpu.window_at = cpu.producer.at;
}

void put_window(Cpu& cpu, unsigned up, uint64_t index, bool store) {
  const std::optional<uint64_t> place = cpu.windows.place(up);
  if (!place) {
    share()->unseen.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  put(cpu, sized_word(kWindowTag, index, store, 0));
  put(cpu, *place);
}

constexpr unsigned kMostResident = 6;  // windows of callers in registers

void on_window_block(unsigned vcpu, void* data) {
  const WindowBlock& block = *static_cast<const WindowBlock*>(data);
  Cpu& cpu = cpus[vcpu];
  if (cpu.producer.head == nullptr)  // the thread's first
    return block_without_room(vcpu, reinterpret_cast<void*>(block.word));
  const bool again =
      cpu.window_at == cpu.producer.at && cpu.window_word >> kWindowIndexBits == block.start;
  if (again) {
    const uint64_t index = cpu.window_word & ((uint64_t{1} << kWindowIndexBits) - 1);
    put(cpu, kCutTag | index << kIndexShift);
  }
  on_block(vcpu, reinterpret_cast<void*>(block.word));
  if (!again) return;
  switch (block.kind) {
    case Unreported::Kind::Save:
      put_window(cpu, kMostResident, 0, true);
      break;
    case Unreported::Kind::Restore:
      put_window(cpu, 1, 0, false);
      break;
    default:  // flushw: the oldest is gone by now
      if (const auto resident = RegisterWindows::resident(); resident)
        put_window(cpu, *resident + 1, 0, true);
      break;
  }
}

void on_flush(unsigned vcpu, void* index) {
  Cpu& cpu = cpus[vcpu];
  const auto resident = RegisterWindows::resident();
  for (unsigned up = resident.value_or(0); up > 0; --up)
    put_window(cpu, up, reinterpret_cast<uint64_t>(index), true);
}

Unreported unreported_at(const qemu_plugin_insn* insn) {
  const void* const bytes = qemu_plugin_insn_haddr(insn);
  if (bytes == nullptr || qemu_plugin_insn_size(insn) != sizeof(uint32_t)) return {};
  uint32_t instruction = 0;
  std::memcpy(&instruction, bytes, sizeof instruction);
  // Code of aarch64 is little-endian, whatever its data are.
  if (guest.isa().big_endian) instruction = __builtin_bswap32(instruction);
  return unreported_of(guest.isa(), instruction);
}

void watch(qemu_plugin_tb* tb, size_t index, const Unreported& what) {
  qemu_plugin_insn* const insn = qemu_plugin_tb_get_insn(tb, index);
  const auto on_begin = [insn](qemu_plugin_vcpu_udata_cb_t call, uint64_t word) {
    qemu_plugin_register_vcpu_insn_exec_cb(insn, call, QEMU_PLUGIN_CB_NO_REGS,
                                           reinterpret_cast<void*>(word));
  };
  switch (what.kind) {
    case Unreported::Kind::None:
      break;
    case Unreported::Kind::ZeroBlock: {
      const bool last = index + 1 == qemu_plugin_tb_n_insns(tb);
      on_begin(last ? on_zeroing_last : on_zeroing, zero_word(index, what));
      if (!last)
        qemu_plugin_register_vcpu_insn_exec_cb(qemu_plugin_tb_get_insn(tb, index + 1), on_zeroed,
                                               QEMU_PLUGIN_CB_NO_REGS, nullptr);
      break;
    }
    case Unreported::Kind::FlushTrap:
      on_begin(on_flush, index);
      break;
    default:
      on_begin(on_window, window_word(qemu_plugin_insn_vaddr(insn), index));
      break;
  }
}

// --- Translation

void tell_image() {
  image_told = true;
  const std::vector<Region> regions = guest.regions();
  placement.after_load(guest, regions);
  put_event(cpus[0].producer, EventKind::Image, image_words(guest, regions, arguments_at));
}

bool is_x86() {
  const std::string_view isa = guest.isa().name;
  return isa == "x86_64" || isa == "i386";
}

uint64_t flags_of(qemu_plugin_tb* tb, size_t instructions) {
  if (instructions == 1 && is_x86()) {
    const qemu_plugin_insn* insn = qemu_plugin_tb_get_insn(tb, 0);
    std::array<uint8_t, 16> bytes{};
    const size_t size = std::min(qemu_plugin_insn_size(insn), bytes.size());
    if (guest.read(qemu_plugin_insn_vaddr(insn), bytes.data(), size) &&
        repeats_string_instruction(bytes.data(), size, guest.isa().wide))
      return kRepeats;
  }
  return 0;
}

// x86: an instruction that goes over the end of the page its block began in begins the next block;
// QEMU 7.2 names it as the last of this one all the same, with as many bytes as it had read. Only
// its execution tells it from one that belongs there.
bool may_be_taken_back(qemu_plugin_tb* tb, size_t instructions) {
  constexpr uint64_t kLongest = 15;  // bytes of an instruction
  if (instructions < 2 || !is_x86()) return false;
  const uint64_t last = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, instructions - 1));
  return ((last + kLongest) ^ qemu_plugin_tb_vaddr(tb)) >> guest.isa().page_shift != 0;
}

// Instructions `begin` to `end` of QEMU's block, as one of the trace's; the word that begins it.
uint64_t define(qemu_plugin_tb* tb, size_t begin, size_t end, uint64_t flags) {
  std::array<uint64_t, definition_words(kMostInstructions)> words{};
  const uint64_t number = next_block++;
  words[0] = number | flags << 32 | uint64_t{end - begin} << 48;
  words[1] = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, begin));
  auto* const lengths = reinterpret_cast<uint8_t*>(words.data() + 2);
  for (size_t i = begin; i < end; ++i)
    lengths[i - begin] =
        static_cast<uint8_t>(qemu_plugin_insn_size(qemu_plugin_tb_get_insn(tb, i)));
  define_block(words.data(), definition_words(end - begin));
  return kBlockTag | number << kTagBits;
}

void on_translation(qemu_plugin_id_t /*id*/, qemu_plugin_tb* tb) {
  const std::scoped_lock lock(definitions_lock);
  const size_t instructions = qemu_plugin_tb_n_insns(tb);
  if (instructions == 0 || instructions > kMostInstructions) return;
  qemu_plugin_insn* const first = qemu_plugin_tb_get_insn(tb, 0);
  const uint64_t start = qemu_plugin_insn_vaddr(first);
  if (!image_told) {
    guest.learn_base(start, qemu_plugin_insn_haddr(first));
    tell_image();
  }
  const size_t certain = may_be_taken_back(tb, instructions) ? instructions - 1 : instructions;
  const uint64_t word = define(tb, 0, certain, flags_of(tb, instructions));
  if (certain != instructions) {
    qemu_plugin_register_vcpu_insn_exec_cb(
        qemu_plugin_tb_get_insn(tb, certain), on_block, QEMU_PLUGIN_CB_NO_REGS,
        reinterpret_cast<void*>(define(tb, certain, instructions, 0)));
  }
  Unreported::Kind begins_with = Unreported::Kind::None;
  for (size_t i = 0; i < instructions; ++i) {
    const uint64_t index = i < certain ? i : i - certain;
    // One registration for both kinds: QEMU 7.2 stops looking at the first that does not fit.
    qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, i), on_access,
                                     QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
                                     reinterpret_cast<void*>(index << kIndexShift));
    if (watches) {
      const Unreported what = unreported_at(qemu_plugin_tb_get_insn(tb, i));
      if (i == 0) begins_with = what.kind;
      watch(tb, i, what);
    }
  }
  const bool window = begins_with == Unreported::Kind::Save ||
                      begins_with == Unreported::Kind::Restore ||
                      begins_with == Unreported::Kind::FlushWindows;
  if (window)  // as long as QEMU may execute it, that is for ever
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_window_block, QEMU_PLUGIN_CB_NO_REGS,
                                         new WindowBlock{word, start, begins_with});
  else
    qemu_plugin_register_vcpu_tb_exec_cb(tb, on_block, QEMU_PLUGIN_CB_NO_REGS,
                                         reinterpret_cast<void*>(word));
}

// --- Start

uint64_t number_after(std::string_view argument, std::string_view name) {
  return std::strtoull(argument.data() + name.size(), nullptr, 10);
}

// The CPU among the arguments QEMU was given; empty: none.
std::string model_asked_for(const Isa& isa) {
  const std::vector<std::string> arguments = further_arguments(*share(), isa);
  const auto names = std::find(arguments.begin(), arguments.end(), "-cpu");
  return names == arguments.end() || names + 1 == arguments.end() ? std::string() : names[1];
}

// From 7 on, callbacks have other arguments. QEMU itself sees to it that what was asked for is not
// too old for it, but not always to this.
constexpr int kNewestInterface = 6;

int start(qemu_plugin_id_t id, const qemu_info_t& info, int count, char** arguments) {
  if (info.version.cur > kNewestInterface || info.system_emulation) {
    std::fprintf(
        stderr,
        "mmusim: this QEMU's interface for plug-ins is version %d%s; what can be served is "
        "1 to %d, of user mode\n",
        info.version.cur, info.system_emulation ? " of system emulation" : "", kNewestInterface);
    return 1;
  }
  const char* memory = nullptr;
  for (int i = 0; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument.starts_with("memory=")) memory = arguments[i] + std::strlen("memory=");
    if (argument.starts_with("arguments=")) arguments_at = number_after(argument, "arguments=");
    if (argument.starts_with("bytes=")) program_bytes = number_after(argument, "bytes=");
  }
  const Isa* const isa = isa_of_target(info.target_name);
  // Without the memory (another user, a root of its own) the program runs all the same.
  if (isa == nullptr || memory == nullptr || !open_share(memory)) return 0;
  guest.open(*isa, command_line(arguments_at).program);
  know_calls(*isa);
  tag_of.fill(kUnknownTag);
  watches = has_unreported(*isa);
  is_power = std::string_view(isa->name).starts_with("ppc64");
  zero_bytes = zero_block_bytes(*isa, model_asked_for(*isa));
  own_cpu = cpus;
  attach(cpus[0].producer, Birth{.kind = StartKind::Image,
                                 .parent_process = 0,
                                 .parent_thread = 0,
                                 .clone_flags = 0,
                                 .first_block = 0});
  if (share()->linux_placement != 0) {
    placement.before_load(guest, program_bytes);
    take_mremap();
  }
  if (!watch_exceptions()) share()->unwatched.store(1);
  pthread_atfork(before_fork, after_fork_of_parent, after_fork);
  qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
  qemu_plugin_register_vcpu_syscall_cb(id, on_call);
  qemu_plugin_register_vcpu_syscall_ret_cb(id, on_return);
  qemu_plugin_register_vcpu_init_cb(id, on_thread);
  qemu_plugin_register_vcpu_exit_cb(id, on_thread_end);
  return 0;
}

// Which version is asked for: 1, or 2 of QEMUs that have no older one any more. What is used here
// is the same in versions 1 to 6.
[[gnu::constructor]] void choose_version();

}  // namespace
}  // namespace mmusim::record::plugin

extern "C" {
[[gnu::visibility("default")]] int qemu_plugin_version = 1;
[[gnu::visibility("default")]] int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t* info,
                                                       int argc, char** argv) {
  return mmusim::record::plugin::start(id, *info, argc, argv);
}
}

namespace mmusim::record::plugin {
namespace {

void choose_version() {
  if (dlsym(RTLD_DEFAULT, "qemu_plugin_scoreboard_new") != nullptr) qemu_plugin_version = 2;
}

}  // namespace
}  // namespace mmusim::record::plugin
