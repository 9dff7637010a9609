/* SPDX-License-Identifier: Apache-2.0 */
#include "lib/t.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "io/sim/sim.h"
#include "lib/t_chance.h"

enum { OUTCOME_PASS, OUTCOME_FAIL, OUTCOME_SKIP };
enum {
	EXIT_SKIP = 77,
	EXIT_FAIL = 1,
	EXIT_FAULT_DONE = 78
}; /* FAULT_DONE: the armed fault was never reached */

static struct options {
	const char *filters[64];
	int n_filters;
	uint64_t seed;
	int repeat, jobs, timeout_s;
	bool torture, tap, list, trace;
	int64_t fault; /* the first to try */
} opt = {.repeat = 1, .jobs = 2, .timeout_s = 60};

static t_case *cases;

/* State of the test that this (child) process runs. */
static struct current {
	sp_arena arena, deferred;
	sp_err err;
	uint64_t stream;
	bool failed, torture;
	char row[256];
	char tmpdir[64];
} cur;

void t_register(t_case *c)
{
	t_case **at = &cases;
	while (*at != NULL && (strcmp((*at)->suite, c->suite) < 0 ||
			       (strcmp((*at)->suite, c->suite) == 0 && strcmp((*at)->name, c->name) < 0)))
		at = &(*at)->next;
	c->next = *at;
	*at = c;
}

sp_arena *t_arena(void)
{
	return &cur.arena;
}
sp_err *t_err(void)
{
	return &cur.err;
}
uint64_t t_seed(void)
{
	return opt.seed;
}
bool t_torture(void)
{
	return cur.torture;
}

bool t_failed(void)
{
	return cur.failed;
}

uint64_t t_random(void)
{
	/* splitmix64 */
	uint64_t z = (cur.stream += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint64_t t_random_below(uint64_t n)
{
	SP_ASSERT(n > 0);
	return t_random() % n;
}

void t_row(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vsnprintf(cur.row, sizeof cur.row, fmt, ap);
	va_end(ap);
}

void t_defer(void (*fn)(void *arg), void *arg)
{
	SP_ASSERT(sp_arena_on_reset(&cur.deferred, fn, arg) || sp_arena_on_reset(&cur.deferred, fn, arg));
}

bool t_fail(const char *file, int line, const char *fmt, ...)
{
	if (cur.torture && sp_alloc_fault_hit())
		return true;
	va_list ap;
	va_start(ap, fmt);
	printf("%s:%d: ", file, line);
	if (cur.row[0] != '\0')
		printf("[%s] ", cur.row);
	(void)vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	cur.failed = true;
	return false;
}

void t_skip(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
	sp_arena_done(&cur.deferred);
	sp_arena_done(&cur.arena);
	exit(EXIT_SKIP);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_tmpdir(void *arg)
{
	(void)arg;
	(void)nftw(cur.tmpdir, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* best effort */
	cur.tmpdir[0] = '\0';
}

const char *t_tmpdir(void)
{
	if (cur.tmpdir[0] == '\0') {
		(void)snprintf(cur.tmpdir, sizeof cur.tmpdir, "/tmp/sampan-test-XXXXXX");
		SP_ASSERT(mkdtemp(cur.tmpdir) != NULL);
		t_defer(remove_tmpdir, NULL);
	}
	return cur.tmpdir;
}

sp_str t_file(const char *path)
{
	FILE *f = fopen(path, "rbe");
	if (f == NULL) {
		(void)t_fail(__FILE__, __LINE__, "cannot open %s: %s", path, strerror(errno));
		return (sp_str){NULL, 0};
	}
	SP_ASSERT(fseek(f, 0, SEEK_END) == 0);
	long n = ftell(f);
	SP_ASSERT(n >= 0);
	rewind(f);
	char *p = sp_arena_alloc(&cur.arena, (size_t)n + 1);
	size_t got = fread(p, 1, (size_t)n, f);
	(void)fclose(f);
	return (sp_str){p, got};
}

/* In the child. Exits. */
SP_NORETURN static void run_here(const t_case *c, int64_t fault)
{
	uint64_t name_hash = sp_fnv1a64(sp_str_c(c->name)) ^ sp_fnv1a64(sp_str_c(c->suite));
	cur = (struct current){.torture = fault >= 0, .stream = opt.seed ^ name_hash};
	sp_hash_seed_set((sp_hash_key){opt.seed, name_hash});
	t_chance_seed(opt.seed ^ name_hash);
	sp_arena_init(&cur.arena, (size_t)64 << 20);
	sp_arena_init(&cur.deferred, (size_t)1 << 20);
	int64_t live_before = sp_alloc_live();
	if (fault >= 0)
		sp_alloc_fault_arm(fault);
	c->fn();
	bool hit = sp_alloc_fault_hit();
	sp_alloc_fault_arm(-1);
	sp_arena_done(&cur.deferred);
	sp_arena_done(&cur.arena);
	int64_t leaked = sp_alloc_live() - live_before;
	if (leaked != 0) {
		printf("%s.%s: %lld blocks leaked\n", c->suite, c->name, (long long)leaked);
		cur.failed = true;
	}
	if (opt.trace)
		printf("trace %s.%s %016llx\n", c->suite, c->name, (unsigned long long)sp_sim_ended_traces());
	if (cur.failed)
		exit(EXIT_FAIL);
	exit(fault >= 0 && !hit ? EXIT_FAULT_DONE : 0);
}

typedef struct job {
	const t_case *c;
	pid_t pid;
	int out;
	uint64_t deadline_ms;
	int64_t fault; /* -1 = none */
	char text[16384];
	size_t n_text;
} job;

static uint64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void job_start(job *j)
{
	int p[2];
	SP_ASSERT(pipe2(p, O_CLOEXEC) == 0);
	(void)fflush(NULL);
	j->n_text = 0;
	j->deadline_ms = now_ms() + (uint64_t)opt.timeout_s * 1000;
	j->pid = fork();
	SP_ASSERT(j->pid >= 0);
	if (j->pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)dup2(p[1], 1);
		(void)dup2(p[1], 2);
		setvbuf(stdout, NULL, _IOLBF, 0);
		run_here(j->c, j->fault);
	}
	close(p[1]);
	j->out = p[0];
}

static int counts[3];
static int tap_number;

static void report(const job *j, int outcome, const char *why)
{
	static const char *const words[] = {"ok", "FAIL", "skip"};
	counts[outcome]++;
	if (opt.tap)
		printf("%sok %d - %s.%s%s\n", outcome == OUTCOME_FAIL ? "not " : "", ++tap_number,
		       j->c->suite, j->c->name, outcome == OUTCOME_SKIP ? " # SKIP" : "");
	else if (outcome != OUTCOME_PASS)
		printf("%s %s.%s%s\n", words[outcome], j->c->suite, j->c->name, why);
	if ((outcome != OUTCOME_PASS || opt.trace) && j->n_text > 0)
		printf("%s%.*s", opt.tap ? "# " : "  ", (int)j->n_text, j->text);
	if (outcome == OUTCOME_FAIL) {
		printf("  again: --filter %s.%s --seed %llu", j->c->suite, j->c->name,
		       (unsigned long long)opt.seed);
		if (j->fault >= 0)
			printf(" --torture --fault %lld", (long long)j->fault);
		printf("\n");
	}
}

/*
 * Each of a test's first allocations fails once. Of the later ones some do, ever fewer: which ones depends on
 * the seed, so that other seeds reach the others, and a test with a hundred thousand of them is walked to its
 * end in about 700 runs.
 */
#define TORTURE_EACH 256
#define TORTURE_SPARSER 64 /* the mean distance to the next is 1/64 of the way */
#define TORTURE_FAULTS_MAX 100000

static int64_t next_fault(int64_t fault)
{
	if (fault < TORTURE_EACH)
		return fault + 1;
	uint64_t twice = 2 * (uint64_t)fault / TORTURE_SPARSER - 1;
	return fault + 1 +
	       (int64_t)(((opt.seed ^ (uint64_t)fault) * UINT64_C(0x9e3779b97f4a7c15) >> 32) % twice);
}

/* After the child ended. True when the job goes on with another fault. */
static bool job_ended(job *j, int status, bool timed_out)
{
	char why[64] = "";
	int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	if (timed_out)
		(void)snprintf(why, sizeof why, " (no end within %d s)", opt.timeout_s);
	else if (WIFSIGNALED(status))
		(void)snprintf(why, sizeof why, " (signal %d)", WTERMSIG(status));
	else if (code == EXIT_SKIP) {
		report(j, OUTCOME_SKIP, "");
		return false;
	} else if (code == EXIT_FAULT_DONE) {
		report(j, OUTCOME_PASS, "");
		return false;
	} else if (code == 0) {
		if (opt.torture && next_fault(j->fault) < TORTURE_FAULTS_MAX) {
			j->fault = next_fault(j->fault);
			return true;
		}
		report(j, OUTCOME_PASS, "");
		return false;
	}
	report(j, OUTCOME_FAIL, why);
	return false;
}

/* Reads what the child prints until it closes its output or the deadline passes. */
static bool job_read(job *j)
{
	char drop[4096];
	bool full = j->n_text == sizeof j->text;
	ssize_t n = full ? read(j->out, drop, sizeof drop)
			 : read(j->out, j->text + j->n_text, sizeof j->text - j->n_text);
	if (n > 0 && !full)
		j->n_text += (size_t)n;
	return n > 0 || (n < 0 && errno == EINTR);
}

static bool selected(const t_case *c)
{
	if (opt.n_filters == 0)
		return true;
	char full[256];
	(void)snprintf(full, sizeof full, "%s.%s", c->suite, c->name);
	for (int i = 0; i < opt.n_filters; i++) {
		const char *f = opt.filters[i];
		if (strchr(f, '.') != NULL ? strcmp(f, full) == 0 : strncmp(f, c->suite, strlen(f)) == 0)
			return true;
	}
	return false;
}

#define JOBS_MAX 16

static void run_all(void)
{
	static job jobs[JOBS_MAX];
	size_t n_running = 0;
	const t_case *next = cases;
	for (;;) {
		for (; next != NULL && n_running < (size_t)opt.jobs; next = next->next) {
			if (!selected(next))
				continue;
			jobs[n_running] = (job){.c = next, .fault = opt.torture ? opt.fault : -1};
			job_start(&jobs[n_running++]);
		}
		if (n_running == 0)
			return;
		struct pollfd fds[JOBS_MAX];
		for (size_t i = 0; i < n_running; i++)
			fds[i] = (struct pollfd){.fd = jobs[i].out, .events = POLLIN};
		(void)poll(fds, (nfds_t)n_running, 100);
		for (size_t i = n_running; i-- > 0;) {
			bool timed_out = now_ms() > jobs[i].deadline_ms;
			if (timed_out)
				(void)kill(jobs[i].pid, SIGKILL);
			else if (fds[i].revents == 0 || job_read(&jobs[i]))
				continue;
			close(jobs[i].out);
			int status = 0;
			while (waitpid(jobs[i].pid, &status, 0) < 0 && errno == EINTR)
				;
			if (job_ended(&jobs[i], status, timed_out))
				job_start(&jobs[i]);
			else
				jobs[i] = jobs[--n_running];
		}
	}
}

static void parse_options(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *a = argv[i];
		const char *value = i + 1 < argc ? argv[i + 1] : "";
		if (strcmp(a, "--torture") == 0)
			opt.torture = true;
		else if (strcmp(a, "--tap") == 0)
			opt.tap = true;
		else if (strcmp(a, "--trace") == 0)
			opt.trace = true;
		else if (strcmp(a, "--list") == 0)
			opt.list = true;
		else if (strcmp(a, "--filter") == 0 && opt.n_filters < (int)SP_LEN(opt.filters))
			opt.filters[opt.n_filters++] = value, i++;
		else if (strcmp(a, "--seed") == 0)
			opt.seed = strtoull(value, NULL, 0), i++;
		else if (strcmp(a, "--fault") == 0)
			opt.fault = strtoll(value, NULL, 0), i++;
		else if (strcmp(a, "--repeat") == 0)
			opt.repeat = (int)strtol(value, NULL, 10), i++;
		else if (strcmp(a, "-j") == 0)
			opt.jobs = (int)strtol(value, NULL, 10), i++;
		else if (strcmp(a, "--timeout") == 0)
			opt.timeout_s = (int)strtol(value, NULL, 10), i++;
		else {
			(void)fprintf(stderr, "unknown flag '%s' (see test/lib/t.h)\n", a);
			exit(2);
		}
	}
	if (opt.jobs < 1 || opt.jobs > JOBS_MAX)
		opt.jobs = 2;
}

int main(int argc, char **argv)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	opt.seed = (uint64_t)ts.tv_sec;
	parse_options(argc, argv);
	if (opt.list) {
		for (const t_case *c = cases; c != NULL; c = c->next)
			printf("%s.%s\n", c->suite, c->name);
		return 0;
	}
	for (int i = 0; i < opt.repeat; i++, opt.seed++)
		run_all();
	if (opt.tap)
		printf("1..%d\n", tap_number);
	printf("%d passed, %d failed", counts[OUTCOME_PASS], counts[OUTCOME_FAIL]);
	if (counts[OUTCOME_SKIP] > 0)
		printf(", %d skipped", counts[OUTCOME_SKIP]);
	printf("\n");
	return counts[OUTCOME_FAIL] != 0 || counts[OUTCOME_PASS] + counts[OUTCOME_SKIP] == 0;
}
