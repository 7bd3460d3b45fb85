// What the collector makes of events: lives of processes and threads, changes of their memory.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <poll.h>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

#include "base/error.h"
#include "base/linux_abi.h"
#include "record/collector.h"
#include "record/collector_state.h"

namespace mmusim::record {
namespace {

constexpr int32_t kStatusKilled = 9;

}  // namespace

bool Collector::at_its_turn(Stream& stream) {
  if (!stream.is_event) {
    stream.at_number = false;
    return true;
  }
  if (stream.event.size() < stream.event_size) {
    // What a killed process did not finish saying.
    if (stream.process == nullptr || !stream.process->dead || stream.read != stream.there)
      return false;
    stream.at_number = false;
    ++counts_.lost_words;
    return true;
  }
  stream.at_number = false;
  event(stream);
  return true;
}

void Collector::event(Stream& stream) {
  const std::vector<uint64_t> all = std::move(stream.event);
  stream.event.clear();
  WordReader words(all);
  if (stream.kind == EventKind::Start) {
    start(stream, words);
    return;
  }
  if (stream.process == nullptr || stream.ended) return;
  switch (stream.kind) {
    case EventKind::Image: {
      tell(stream, image_event(words));
      Process& process = *stream.process;
      wake_parent(process);
      break;
    }
    case EventKind::Call:
      call(stream, words);
      break;
    case EventKind::Exec:
      break;  // the new program says so itself
    case EventKind::Exit: {
      const auto status = static_cast<int32_t>(words.word());
      exit(stream, status, words.word() != 0);
      break;
    }
    case EventKind::Unrecorded:
      ++counts_.unrecorded;
      note("not recorded: " + words.text());
      break;
    case EventKind::Start:
      break;
  }
}

Collector::Process& Collector::process(uint32_t id) {
  auto& entry = processes_[id];
  if (entry == nullptr) {
    entry = std::make_unique<Process>();
    entry->id = id;
    ++counts_.processes;
  }
  return *entry;
}

Collector::Stream* Collector::stream_of(const Process& process, uint32_t thread) {
  const auto found = std::find_if(streams_.begin(), streams_.end(), [&](const auto& stream) {
    return stream->process == &process && stream->id.tid == Tid(thread);
  });
  return found == streams_.end() ? nullptr : found->get();
}

// A new process of this number is there: one that has a ring already, or has ended, is an older
// one.
void Collector::bury_namesake(uint32_t id, const Stream* except) {
  const auto found = processes_.find(id);
  if (found == processes_.end() || !(found->second->started || found->second->exited)) return;
  bury(*found->second, except);
}

// A child is known from now on: by what its parent was told, or by itself, whichever is first.
void Collector::announce(Process& parent, uint32_t parent_thread, uint32_t child, uint64_t flags) {
  read_definitions(parent);
  Process& born = process(child);
  born.definitions = parent.definitions.copy();
  writer_.thread({Pid(parent.id), Tid(parent_thread)});
  writer_.event(trace::ForkEvent{{Pid(child), Tid(child)}, flags, (flags & abi::kCloneVm) != 0});
  if ((flags & abi::kCloneVfork) == 0) return;
  if (Stream* const maker = stream_of(parent, parent_thread); maker != nullptr) {
    maker->sleeps = true;
    born.sleeping_parent = parent_thread;
  }
}

// The same of a thread.
void Collector::announce_thread(Process& process, uint32_t maker, uint32_t thread, uint64_t flags) {
  if (process.announced.erase(thread) != 0) return;
  process.announced.insert(thread);
  writer_.thread({Pid(process.id), Tid(maker)});
  writer_.event(trace::ForkEvent{{Pid(process.id), Tid(thread)}, flags, true});
}

void Collector::start(Stream& stream, WordReader& words) {
  const auto kind = static_cast<StartKind>(words.word());
  const auto id = static_cast<uint32_t>(words.word());
  const auto thread = static_cast<uint32_t>(words.word());
  const auto parent_id = static_cast<uint32_t>(words.word());
  const auto parent_thread = static_cast<uint32_t>(words.word());
  const uint64_t flags = words.word();
  const auto definitions = static_cast<uint32_t>(words.word());
  const uint64_t first_block = words.word();
  stream.id = {Pid(id), Tid(thread)};
  if (kind == StartKind::Fork) {
    bury_namesake(id, &stream);
    if (processes_.count(id) == 0) {
      const auto parent = processes_.find(parent_id);
      if (parent != processes_.end()) {
        announce(*parent->second, parent_thread, id, flags);
        Stream* const maker = stream_of(*parent->second, parent_thread);
        if (maker != nullptr) maker->child_ahead = id;
      } else {
        process(id).definitions = graves_[parent_id].copy();
      }
    }
  } else if (kind == StartKind::Image) {
    ++counts_.programs;
    if (const auto before = processes_.find(id); before != processes_.end()) {
      end_streams(*before->second, &stream);
      free_definitions(*before->second);
      before->second->definitions = Definitions();
    }
  } else {
    ++counts_.threads;
  }
  Process& owner = process(id);
  owner.started = true;
  owner.exited = false;
  ++owner.threads;
  stream.process = &owner;
  if (kind == StartKind::Thread && parent_thread != 0)
    announce_thread(owner, parent_thread, thread, flags);
  if (owner.definitions_ring != definitions && kind != StartKind::Thread) {
    owner.definitions_ring = definitions;
    owner.definitions_read = 0;
    owner.definitions.keep(first_block);
    owner.definition_words.clear();
    known_rings_[definitions] = true;
  }
}

// The process has replaced its program, or is gone: what its threads had said is all there is.
void Collector::end_streams(Process& process, const Stream* except) {
  for (size_t i = 0; i < streams_.size();) {
    Stream& stream = *streams_[i];
    if (stream.process != &process || &stream == except) {
      ++i;
      continue;
    }
    stream.there = head(stream.ring).written.load();
    parse(stream);
    release(stream);
    streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  process.threads = 0;
  process.announced.clear();
}

void Collector::call(Stream& stream, WordReader& words) {
  const MadeCall made = read_call(words);
  const auto& a = made.arguments;
  switch (made.call) {
    case Call::Fork:
    case Call::Vfork:
    case Call::Clone: {
      const auto child = static_cast<uint32_t>(made.result);
      const uint64_t flags = a[0];
      const bool told = std::exchange(stream.child_ahead, 0) == child;
      if ((flags & abi::kCloneThread) != 0) {
        announce_thread(*stream.process, stream.id.tid.value(), child, flags);
      } else if (!told) {
        bury_namesake(child, &stream);
        if (processes_.count(child) == 0)
          announce(*stream.process, stream.id.tid.value(), child, flags);
      }
      break;
    }
    case Call::Wait4:
    case Call::Waitpid:
    case Call::Waitid:
      wait(stream, static_cast<uint32_t>(a[0]), static_cast<int32_t>(a[1]), a[2] != 0);
      break;
    default:
      if (const auto event = memory_event(isa_, made); event) tell(stream, *event);
  }
}

void Collector::tell(const Stream& stream, const trace::Event& event) {
  writer_.thread(stream.id);
  writer_.event(event);
  for (const trace::MarkerEvent& marker : mapped_files_.told_behind(event))
    writer_.event(marker);
}

void Collector::wait(Stream& stream, uint32_t child, int32_t status, bool known) {
  const auto found = processes_.find(child);
  if (found != processes_.end() && found->second.get() != stream.process) {
    Process& ended = *found->second;
    if (!known && ended.status) status = *ended.status;
    if (known) ended.status = status;
    bury(ended, &stream);
  }
  writer_.thread(stream.id);
  writer_.event(trace::WaitEvent{Pid(child), status});
}

void Collector::exit(Stream& stream, int32_t status, bool whole) {
  Process& process = *stream.process;
  stream.ended = true;
  if (process.threads > 0) --process.threads;
  if (!whole && process.threads > 0) {
    writer_.thread(stream.id);
    writer_.event(trace::ExitEvent{status, false});
    return;
  }
  process.exited = true;
  process.status = status;
  for (const auto& other : streams_)
    if (other->process == &process && other.get() != &stream) {
      end_block(*other);
      other->ended = true;
    }
  writer_.thread(stream.id);
  writer_.event(trace::ExitEvent{status, true});
  wake_parent(process);
}

// Its parent, if it waits for this child of vfork, goes on.
void Collector::wake_parent(Process& process) {
  if (process.sleeping_parent == 0) return;
  for (const auto& other : streams_)
    if (other->id.tid.value() == process.sleeping_parent) other->sleeps = false;
  process.sleeping_parent = 0;
}

// The end of a process that did not say so: a signal killed it.
void Collector::finish(Process& process, std::optional<int32_t> status) {
  wake_parent(process);
  if (process.exited) return;
  process.exited = true;
  if (!status) ++counts_.unknown_ends;
  writer_.thread({Pid(process.id), Tid(process.id)});
  writer_.event(trace::ExitEvent{status.value_or(kStatusKilled), true});
}

// --- Ends

void Collector::look_for_ends() {
  free_orphans();
  std::vector<pollfd> handles;
  std::vector<Process*> owners;
  for (auto& [id, process] : processes_) {
    if (process->dead) continue;
    if (process->handle < 0) {
      process->handle = static_cast<int>(syscall(SYS_pidfd_open, id, 0));
      if (process->handle < 0) {
        process->dead = errno == ESRCH;
        continue;
      }
    }
    handles.push_back({process->handle, POLLIN, 0});
    owners.push_back(process.get());
  }
  if (handles.empty() || poll(handles.data(), handles.size(), 0) <= 0) return;
  for (size_t i = 0; i < handles.size(); ++i) {
    if (handles[i].revents == 0) continue;
    Process& process = *owners[i];
    process.dead = true;
    // A zombie's status is in the last field; its parent may have seen to it already.
    std::array<char, 1024> text{};
    const int file = open(fmt::format("/proc/{}/stat", process.id).c_str(), O_RDONLY | O_CLOEXEC);
    const ssize_t got = file < 0 ? 0 : read(file, text.data(), text.size() - 1);
    if (file >= 0) close(file);
    std::string_view line(text.data(), got > 0 ? static_cast<size_t>(got) : 0);
    while (!line.empty() && line.back() == '\n')
      line.remove_suffix(1);
    const size_t state = line.rfind(')');
    const size_t last = line.rfind(' ');
    if (state != std::string_view::npos && state + 2 < line.size() && line[state + 2] == 'Z' &&
        last != std::string_view::npos)
      process.status = std::atoi(line.data() + last + 1);
  }
}

void Collector::ended(uint32_t id, int32_t status) {
  const auto found = processes_.find(id);
  if (found == processes_.end()) return;
  found->second->dead = true;
  found->second->status = status;
}

std::vector<uint32_t> Collector::processes() const {
  std::vector<uint32_t> ids;
  for (const auto& [id, process] : processes_)
    if (!process->dead) ids.push_back(id);
  return ids;
}

// Streams that are read to their end, and processes that have none any more.
void Collector::free_ended() {
  std::vector<Process*> gone;
  for (size_t i = 0; i < streams_.size();) {
    Stream& stream = *streams_[i];
    Process* const process = stream.process;
    const bool dead = process != nullptr && process->dead;
    const bool cut_off = stream.at_number && stream.is_event && dead &&
                         stream.event.size() < stream.event_size && stream.read == stream.there;
    if (!stream.complete || stream.read != stream.there || (stream.at_number && !cut_off)) {
      ++i;
      continue;
    }
    release(stream);
    streams_.erase(streams_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  for (auto& [id, process] : processes_) {
    if (!process->dead) continue;
    // One of which not even the start is read is nobody's yet, but says whose it is.
    const Process* const own = process.get();
    const bool has_streams = std::any_of(streams_.begin(), streams_.end(), [&](const auto& stream) {
      return stream->process == nullptr ? stream->id.pid.value() == own->id
                                        : stream->process == own;
    });
    if (!has_streams) gone.push_back(process.get());
  }
  for (Process* process : gone)
    bury(*process, nullptr);
}

void Collector::release(Stream& stream) {
  end_block(stream);
  if (stream.process != nullptr && !stream.ended && stream.process->threads > 0)
    --stream.process->threads;
  free_ring(stream.ring);
}

void Collector::bury(Process& process, const Stream* except) {
  end_streams(process, except);
  finish(process, process.status);
  forget(process);
}

void Collector::free_definitions(Process& process) {
  if (process.definitions_ring == kNoRing) return;
  free_ring(process.definitions_ring);
  process.definitions_ring = kNoRing;
}

void Collector::forget(Process& process) {
  constexpr size_t kMostGraves = 64;
  if (process.handle >= 0) close(process.handle);
  read_definitions(process);
  free_definitions(process);
  if (graves_.size() >= kMostGraves) graves_.clear();
  graves_[process.id] = std::move(process.definitions);
  processes_.erase(process.id);
}

void Collector::note(const std::string& text) {
  constexpr size_t kMostNotes = 10;
  if (counts_.notes.size() < kMostNotes) counts_.notes.push_back(text);
}

}  // namespace mmusim::record
