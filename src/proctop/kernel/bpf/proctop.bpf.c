/* SPDX-License-Identifier: Dual MIT/GPL
 *
 * What proctop asks the kernel. `make bpf` builds it; the result is the same for every little-endian machine, so one object serves
 * x86_64 and arm64. Every program is small: no loop but one of at most 64 rounds, no subprogram. feed.py and events.py read what
 * comes out, and hold the same layouts.
 */
#include "kernel.h"

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Shared with the reader, which maps this memory. */
struct control {
	/* by the reader */
	__u64 since;  /* leave out what last got a cpu before this time of the scheduler's clock; 0 = leave out nothing */
	__u64 memory; /* 1 = look after program breaks */
	/* by the task iterator */
	__u64 arrived; /* when the reader itself got the cpu on which it began this walk */
	__u64 tasks;   /* seen in this walk */
	__u64 leaders; /* of them, thread group leaders: processes */
	__u32 level;   /* of the reader's pid namespace; 0 = the first one */
	__u32 ns;      /* its number */
	/* by the tracepoints */
	__u64 lost; /* events for which the ring had no room */
	/* By the low 16 bits of a pid. wanted, by the reader: look at the process whether it ran or not; ended, by the tracepoints: one of
	 * its threads has, and left its share to the others */
	__u8 wanted[65536];
	__u8 ended[65536];
} control;

/* What threads spend. A process's is the sum over live threads and what its dead ones left in signal_struct. */
struct spent {
	__u64 run;
	__u64 utime, stime;
	__u64 minflt, majflt;
	__u64 vctx, nvctx;
	__u64 rchar, wchar, syscr, syscw, read_bytes, write_bytes;
};

struct record {
	__u32 pid, tid;
	__u32 ppid, uid;
	__u64 start; /* of the process */
	__u64 began; /* of this thread; both in ns of CLOCK_BOOTTIME */
	char comm[16];
	__u32 state, exit_state;
	__u32 running, flags; /* running: this thread's own state is TASK_RUNNING */
	__s32 prio, static_prio;
	__u32 cpu, threads;
	__u64 cgroup, cgroup1;
	__u64 execs;
	__u64 vsize, data; /* pages */
	__s64 rss;         /* pages */
	__s64 fds;         /* -1 = too many to count here */
	__u64 cutime;
	__u64 prev_utime, prev_stime;
	struct spent dead;
	struct spent own;
	__u64 wait;
	__u64 blkio;
};

/* What the kernel itself does not count, since we began to: of a process. It follows a record of tasks_more. */
struct extra {
	__u64 user_faults, kernel_faults;
	__u64 mapped, unmapped, grown, shrunk; /* bytes */
};

enum kind { FORK = 1, EXEC, EXIT, FREE };

struct event {
	__u32 kind, pid;
	__u32 ppid, uid;
	__u64 start;
	__u64 when; /* ns of CLOCK_BOOTTIME */
	__u32 global, threads; /* the pid in the first namespace */
	char comm[16];
	__u64 cgroup, cgroup1;
	__u32 code, length;
	union {
		struct {
			struct spent spent;
			__u64 cutime;
			__u64 peak; /* pages */
			struct extra extra;
		};
		char args[168];
	};
};
_Static_assert(sizeof(struct event) == 248, "a slot of the ring is 256 bytes, 8 of them its header");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} events SEC(".maps");


/* Kept with the leader of a process, gone with it. */
struct counted {
	struct extra extra;
	__u64 brk;   /* the program break as we know it */
	__u64 execs; /* of the program that it belongs to, plus one */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct counted);
} extras SEC(".maps");

enum has { KERNEL = 1, IO = 2, STORAGE = 4, WAIT = 8, DELAYS = 16 };

#define add_up(to, from)                                                                                                                   \
	do {                                                                                                                                   \
		(to)->minflt += (from)->min_flt;                                                                                                    \
		(to)->majflt += (from)->maj_flt;                                                                                                    \
		(to)->vctx += (from)->nvcsw;                                                                                                        \
		(to)->nvctx += (from)->nivcsw;                                                                                                      \
		(to)->utime += (from)->utime;                                                                                                       \
		(to)->stime += (from)->stime;                                                                                                       \
		if (bpf_core_field_exists((from)->ioac.rchar)) {                                                                                   \
			(to)->rchar += (from)->ioac.rchar;                                                                                              \
			(to)->wchar += (from)->ioac.wchar;                                                                                              \
			(to)->syscr += (from)->ioac.syscr;                                                                                              \
			(to)->syscw += (from)->ioac.syscw;                                                                                              \
		}                                                                                                                                  \
		if (bpf_core_field_exists((from)->ioac.read_bytes)) {                                                                              \
			(to)->read_bytes += (from)->ioac.read_bytes;                                                                                    \
			(to)->write_bytes += (from)->ioac.write_bytes;                                                                                  \
		}                                                                                                                                  \
	} while (0)

/* Where speed does not matter, pointers are followed by a helper (BPF_CORE_READ): each that the verifier has to follow costs it a walk
 * through all of the kernel's types, a millisecond at every start. The iterator follows its own: the helper takes 25 ns. */

static __always_inline struct upid upid_of(struct pid *pid, __u32 level)
{
	struct upid upid = {};

	bpf_probe_read_kernel(&upid, sizeof(upid), (void *)pid + bpf_core_field_offset(struct pid, numbers) + level * sizeof(upid));
	return upid;
}

/* The number of a task in the reader's pid namespace, 0 where it has none. In the first namespace, where most readers are, it is the
 * kernel's own. */
static __always_inline __u32 number(struct task_struct *task)
{
	struct pid_namespace *ns;
	struct upid upid;
	struct pid *pid;

	if (!control.level)
		return BPF_CORE_READ(task, pid);
	pid = BPF_CORE_READ(task, thread_pid);
	if (!pid || BPF_CORE_READ(pid, level) < control.level)
		return 0;
	upid = upid_of(pid, control.level);
	ns = upid.ns;
	return BPF_CORE_READ(ns, ns.inum) == control.ns ? upid.nr : 0;
}

static __always_inline __u32 process_number(struct task_struct *task)
{
	return control.level ? number(BPF_CORE_READ(task, group_leader)) : BPF_CORE_READ(task, tgid);
}

static __always_inline __u32 state_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->__state))
		return task->__state;
	return ((struct task_struct___old *)task)->state;
}

static __always_inline __u32 cpu_of(struct task_struct *task)
{
	if (bpf_core_field_exists(task->thread_info.cpu))
		return task->thread_info.cpu;
	return ((struct task_struct___old *)task)->cpu;
}

static __always_inline __s64 resident(struct mm_struct *mm)
{
	struct mm_struct___old *old = (void *)mm;

	/* MM_FILEPAGES 0, MM_ANONPAGES 1, MM_SHMEMPAGES 3 (include/linux/mm_types_task.h). Verifiers before 6.2 do not follow atomic_long_t. */
	if (bpf_core_field_exists(old->rss_stat.count))
		return BPF_CORE_READ(old, rss_stat.count[0].counter) + BPF_CORE_READ(old, rss_stat.count[1].counter) +
		       BPF_CORE_READ(old, rss_stat.count[3].counter);
	return mm->rss_stat[0].count + mm->rss_stat[1].count + mm->rss_stat[3].count;
}

/* Open descriptors, as the size of /proc/PID/fd counts them. */
static __always_inline __s64 descriptors(struct files_struct *files)
{
	struct fdtable *table;
	unsigned long word, *words;
	__s64 count = 0;
	__u32 most, i;

	if (!files)
		return 0;
	table = files->fdt;
	most = table->max_fds / 64;
	if (most > 64)
		return -1;
	words = table->open_fds;
	for (i = 0; i < 64; i++) {
		if (i >= most)
			break;
		word = 0;
		bpf_probe_read_kernel(&word, sizeof(word), words + i);
		count += __builtin_popcountl(word);
	}
	return count;
}

/* The version 1 cgroup by whose path a container is known: that of the memory controller where there is one, else pids or cpu. */
static __always_inline __u64 old_cgroup(struct css_set *set)
{
	struct cgroup_subsys_state *css = 0;
	struct cgroup *cgroup;
	__u64 which;

	if (bpf_core_enum_value_exists(enum cgroup_subsys_id___local, memory_cgrp_id))
		which = bpf_core_enum_value(enum cgroup_subsys_id___local, memory_cgrp_id);
	else if (bpf_core_enum_value_exists(enum cgroup_subsys_id___local, pids_cgrp_id))
		which = bpf_core_enum_value(enum cgroup_subsys_id___local, pids_cgrp_id);
	else if (bpf_core_enum_value_exists(enum cgroup_subsys_id___local, cpu_cgrp_id))
		which = bpf_core_enum_value(enum cgroup_subsys_id___local, cpu_cgrp_id);
	else
		return 0;
	bpf_probe_read_kernel(&css, sizeof(css), (void *)set + bpf_core_field_offset(struct css_set, subsys) + which * sizeof(css));
	cgroup = BPF_CORE_READ(css, cgroup);
	if (!cgroup || BPF_CORE_READ(cgroup, root) == BPF_CORE_READ(set, dfl_cgrp, root))
		return 0;
	return BPF_CORE_READ(cgroup, kn, id);
}

/* Every thread that ran since the reader's last walk, or whose process is wanted; in the reader's pid namespace, in ascending order. */
static __always_inline int walk(struct bpf_iter__task *ctx, bool more)
{
	struct task_struct *task = ctx->task, *leader, *me;
	struct signal_struct *signal;
	struct task_delay_info *delays;
	struct counted *counted;
	struct pid_namespace *ns;
	struct css_set *set;
	struct mm_struct *mm;
	struct record record;
	struct pid *number_of_me;
	__u32 running, pid;
	bool leads;

	if (!task)
		return 0;
	if (ctx->meta->seq_num == 0) {
		me = (void *)bpf_get_current_task();
		control.arrived = BPF_CORE_READ(me, sched_info.last_arrival);
		number_of_me = BPF_CORE_READ(me, thread_pid);
		control.level = BPF_CORE_READ(number_of_me, level);
		ns = upid_of(number_of_me, control.level).ns;
		control.ns = BPF_CORE_READ(ns, ns.inum);
		control.tasks = control.leaders = 0;
	}
	pid = control.level ? process_number(task) : task->tgid;
	leads = task->pid == task->tgid;
	running = state_of(task) == 0;
	if (bpf_core_field_exists(task->sched_info.last_arrival) && !running && task->sched_info.last_arrival < control.since &&
	    !control.wanted[pid & 0xffff])
		goto seen;

	__builtin_memset(&record, 0, sizeof(record));
	record.pid = pid;
	leader = task->group_leader;
	signal = task->signal;
	record.tid = control.level ? number(task) : task->pid;
	record.ppid = control.level ? process_number(leader->real_parent) : leader->real_parent->tgid;
	record.uid = leader->real_cred->euid.val;
	record.start = leader->start_boottime;
	record.began = task->start_boottime;
	bpf_probe_read_kernel_str(record.comm, sizeof(record.comm), leader->comm);
	record.state = state_of(leader);
	record.exit_state = leader->exit_state;
	record.running = running;
	record.flags = leader->flags & 0x200000 ? KERNEL : 0; /* PF_KTHREAD */
	record.prio = leader->prio;
	record.static_prio = leader->static_prio;
	record.cpu = cpu_of(leader);
	record.threads = signal->nr_threads;
	set = leader->cgroups;
	record.cgroup = set->dfl_cgrp->kn->id;
	record.cgroup1 = old_cgroup(set);
	record.execs = leader->self_exec_id;
	mm = task->mm;
	if (mm) {
		record.vsize = mm->total_vm;
		record.data = mm->data_vm;
		record.rss = resident(mm);
	}
	record.fds = descriptors(task->files);
	record.cutime = signal->cutime + signal->cstime;
	record.prev_utime = signal->prev_cputime.utime;
	record.prev_stime = signal->prev_cputime.stime;
	record.dead.run = signal->sum_sched_runtime;
	add_up(&record.dead, signal);
	record.own.run = task->se.sum_exec_runtime;
	add_up(&record.own, task);
	if (bpf_core_field_exists(task->ioac.rchar))
		record.flags |= IO;
	if (bpf_core_field_exists(task->ioac.read_bytes))
		record.flags |= STORAGE;
	if (bpf_core_field_exists(task->sched_info.run_delay)) {
		record.flags |= WAIT;
		record.wait = task->sched_info.run_delay;
	}
	if (bpf_core_field_exists(task->delays)) {
		delays = BPF_CORE_READ(task, delays);
		if (delays) {
			record.flags |= DELAYS;
			record.blkio = BPF_CORE_READ(delays, blkio_delay);
		}
	}
	if (bpf_seq_write(ctx->meta->seq, &record, sizeof(record)))
		return 0; /* no room in the buffer: the kernel comes again with this task */
	if (more) {
		__builtin_memset(&record, 0, sizeof(struct extra));
		counted = bpf_task_storage_get(&extras, leader, 0, control.memory);
		if (counted) {
			__builtin_memcpy(&record, &counted->extra, sizeof(struct extra));
			if (mm && control.memory && counted->execs != leader->self_exec_id + 1) {
				counted->brk = mm->brk;
				counted->execs = leader->self_exec_id + 1;
			}
		}
		if (bpf_seq_write(ctx->meta->seq, &record, sizeof(struct extra)))
			return 0;
	}
seen:
	control.tasks++;
	control.leaders += leads;
	return 0;
}

SEC("iter/task")
int tasks(struct bpf_iter__task *ctx)
{
	return walk(ctx, 0);
}

SEC("iter/task")
int tasks_more(struct bpf_iter__task *ctx)
{
	return walk(ctx, 1);
}

/* Room in the ring for an event of a process, filled in as far as every kind has it; 0 = none, or no business of the reader's. */
static __always_inline struct event *begin(enum kind kind, struct task_struct *leader, __u32 pid)
{
	struct event *event;
	struct css_set *set;

	if (!pid)
		return 0;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		__sync_fetch_and_add(&control.lost, 1);
		return 0;
	}
	event->kind = kind;
	event->pid = pid;
	event->ppid = process_number(BPF_CORE_READ(leader, real_parent));
	event->uid = BPF_CORE_READ(leader, real_cred, euid.val);
	event->start = BPF_CORE_READ(leader, start_boottime);
	event->when = bpf_ktime_get_boot_ns();
	event->global = BPF_CORE_READ(leader, tgid);
	event->threads = BPF_CORE_READ(leader, signal, nr_threads);
	__builtin_memset(event->comm, 0, sizeof(event->comm));
	bpf_probe_read_kernel_str(event->comm, sizeof(event->comm), leader->comm);
	set = BPF_CORE_READ(leader, cgroups);
	event->cgroup = BPF_CORE_READ(set, dfl_cgrp, kn, id);
	event->cgroup1 = old_cgroup(set);
	event->code = 0;
	event->length = 0;
	return event;
}

static __always_inline void finish(struct event *event)
{
	bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
}

SEC("tp_btf/sched_process_fork")
int forked(u64 *ctx)
{
	struct task_struct *child = (void *)ctx[1];
	struct event *event;

	if (child->pid != child->tgid)
		return 0; /* a thread */
	event = begin(FORK, child, process_number(child));
	if (event)
		finish(event);
	return 0;
}

SEC("tp_btf/sched_process_exec")
int execed(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct event *event = begin(EXEC, task, process_number(task));
	unsigned long first, length;

	if (!event)
		return 0;
	first = BPF_CORE_READ(task, mm, arg_start);
	length = BPF_CORE_READ(task, mm, arg_end) - first;
	if (length > sizeof(event->args))
		length = sizeof(event->args);
	if (!bpf_probe_read_user(event->args, length, (void *)first))
		event->length = length;
	finish(event);
	return 0;
}

static __always_inline __u32 exit_code(struct task_struct *leader)
{
	if (BPF_CORE_READ(leader, signal, flags) & GROUP_EXIT)
		return BPF_CORE_READ(leader, signal, group_exit_code);
	return BPF_CORE_READ(leader, exit_code);
}

static __always_inline void total(struct event *event, struct signal_struct *signal)
{
	__builtin_memset(&event->spent, 0, sizeof(event->spent));
	event->spent.run = signal->sum_sched_runtime;
	add_up(&event->spent, signal);
	event->cutime = signal->cutime + signal->cstime;
	event->peak = signal->maxrss;
	__builtin_memset(&event->extra, 0, sizeof(event->extra));
}

/* The first thread ends because another one runs a new program and takes its place: what was counted goes on with that one. */
static __always_inline void hand_over(struct task_struct *leader, struct signal_struct *signal)
{
	struct signal_struct___old *old = (void *)signal;
	struct counted *counted, *next;

	counted = bpf_task_storage_get(&extras, leader, 0, 0);
	if (!counted)
		return;
	if (bpf_core_field_exists(signal->group_exec_task))
		next = bpf_task_storage_get(&extras, signal->group_exec_task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	else
		next = bpf_task_storage_get(&extras, old->group_exit_task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (next)
		next->extra = counted->extra;
}

/* A thread is about to end. If it is the last one, the process is: its totals as the scheduler last looked, without threads that end at
 * the same moment. */
static __always_inline int ended(u64 *ctx, bool more)
{
	struct task_struct *task = (void *)ctx[0], *leader = task->group_leader;
	struct signal_struct *signal = task->signal;
	struct counted *counted;
	struct event *event;
	__u32 pid = process_number(task);

	if (signal->live.counter) {
		control.ended[pid & 0xffff] = 1;
		if (more && task->pid == task->tgid && !(signal->flags & GROUP_EXIT))
			hand_over(leader, signal);
		return 0;
	}
	event = begin(EXIT, leader, pid);
	if (!event)
		return 0;
	event->code = exit_code(leader);
	total(event, signal);
	event->spent.run += task->se.sum_exec_runtime;
	add_up(&event->spent, task);
	if (task->pid != task->tgid) { /* the first thread ended before it, and keeps its share until the process is waited for */
		event->spent.run += leader->se.sum_exec_runtime;
		add_up(&event->spent, leader);
	}
	if (more) {
		counted = bpf_task_storage_get(&extras, leader, 0, 0);
		if (counted)
			event->extra = counted->extra;
	}
	finish(event);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int exited(u64 *ctx)
{
	return ended(ctx, 0);
}

SEC("tp_btf/sched_process_exit")
int exited_more(u64 *ctx)
{
	return ended(ctx, 1);
}

/* A process was waited for and the kernel lets go of it: its exact totals. It has no number any more but the one in the first namespace. */
SEC("tp_btf/sched_process_free")
int freed(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct signal_struct *signal = task->signal;
	struct event *event;

	if (task->pid != task->tgid || signal->nr_threads)
		return 0;
	event = begin(FREE, task, task->tgid);
	if (!event)
		return 0;
	event->code = exit_code(task);
	total(event, signal);
	finish(event);
	return 0;
}

static __always_inline struct counted *mine(void)
{
	struct task_struct *me = bpf_get_current_task_btf();

	return bpf_task_storage_get(&extras, me->group_leader, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
}

static __always_inline int fault(bool user)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct counted *counted = mine();

	if (!counted)
		return 0;
	__sync_fetch_and_add(user ? &counted->extra.user_faults : &counted->extra.kernel_faults, 1);
	if (user && control.memory && counted->execs != me->self_exec_id + 1) {
		counted->brk = BPF_CORE_READ(me, mm, brk);
		counted->execs = me->self_exec_id + 1;
	}
	return 0;
}

/* On x86. Elsewhere these tracepoints do not exist, or never fire: there the software events below, dearer, do. */
SEC("tp_btf/page_fault_user")
int user_fault(void *ctx __unused)
{
	return fault(1);
}

SEC("tp_btf/page_fault_kernel")
int kernel_fault(void *ctx __unused)
{
	return fault(0);
}

SEC("perf_event")
int user_fault_sampled(void *ctx __unused)
{
	return fault(1);
}

SEC("perf_event")
int kernel_fault_sampled(void *ctx __unused)
{
	return fault(0);
}

/* Memory system calls, at their exit: the registers still hold what was asked for. Every system call of the host passes here, so this one
 * runs only where someone wants it. The break is known before its first change: libraries ask for it, the iterator looks, and what was
 * forked begins with a page fault in user mode (in the kernel's own mode an exec may be halfway through). */
SEC("tp_btf/sys_exit")
int memory(u64 *ctx)
{
	struct task_struct *me = bpf_get_current_task_btf();
	struct pt_regs___arm64 *arm64 = (void *)ctx[0];
	struct pt_regs___x86 *x86 = (void *)ctx[0];
	enum { NONE, MMAP, MUNMAP, BRK } call = NONE;
	unsigned long asked, result = ctx[1];
	struct counted *counted;
	int number;

	if (bpf_core_field_exists(x86->orig_ax)) {
		number = BPF_CORE_READ(x86, orig_ax);
		call = number == 9 ? MMAP : number == 11 ? MUNMAP : number == 12 ? BRK : NONE;
		if (call == NONE || me->thread_info.status & 2) /* TS_COMPAT: other numbers */
			return 0;
		asked = BPF_CORE_READ(x86, si);
	} else if (bpf_core_field_exists(arm64->syscallno)) {
		number = BPF_CORE_READ(arm64, syscallno);
		call = number == 222 ? MMAP : number == 215 ? MUNMAP : number == 214 ? BRK : NONE;
		if (call == NONE || me->thread_info.flags >> 22 & 1) /* TIF_32BIT */
			return 0;
		asked = BPF_CORE_READ(arm64, regs[1]);
	} else {
		return 0;
	}
	counted = mine();
	if (!counted)
		return 0;
	if (call == MMAP && result < -4095UL) {
		__sync_fetch_and_add(&counted->extra.mapped, asked);
	} else if (call == MUNMAP && !result) {
		__sync_fetch_and_add(&counted->extra.unmapped, asked);
	} else if (call == BRK) {
		if (counted->execs == me->self_exec_id + 1) {
			if (result > counted->brk)
				counted->extra.grown += result - counted->brk;
			else
				counted->extra.shrunk += counted->brk - result;
		}
		counted->brk = result;
		counted->execs = me->self_exec_id + 1;
	}
	return 0;
}
