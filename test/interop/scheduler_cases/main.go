// SPDX-License-Identifier: Apache-2.0

// Decides snapshots (one JSON object a line, the input of `sampan scheduler simulate`) with the plugins of kube-scheduler's default profile without
// DynamicResources, and prints what they say in the form of its output, one object a line; {"error": …} for what the plugins fail on.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"

	apps "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	plfeature "k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	fruntime "k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

type step struct {
	Schedule, AddPod, UpdatePod *v1.Pod
	DeletePod, DeleteNode       string
	SetNode                     *v1.Node
	SetNamespace                *v1.Namespace
}

type snapshot struct {
	Nodes                  []*v1.Node
	Pods                   []*v1.Pod
	Namespaces             []*v1.Namespace
	Services               []*v1.Service
	ReplicaSets            []*apps.ReplicaSet
	StatefulSets           []*apps.StatefulSet
	ReplicationControllers []*v1.ReplicationController
	PodDisruptionBudgets   []*policy.PodDisruptionBudget
	Nominated, Pending     []*v1.Pod
	Steps                  []step
}

type refusal struct {
	Plugin  string   `json:"plugin"`
	Code    string   `json:"code"`
	Reasons []string `json:"reasons"`
}

type candidate struct {
	Victims       []string `json:"victims"`
	PdbViolations int64    `json:"pdbViolations"`
}

type preemption struct {
	Eligible   bool                 `json:"eligible"`
	Candidates map[string]candidate `json:"candidates"`
	Rejected   map[string]refusal   `json:"rejected"`
	Chosen     []string             `json:"chosen"`
}

type decision struct {
	Pod        string                      `json:"pod"`
	Preenqueue *refusal                    `json:"preenqueue,omitempty"`
	Prefilter  *refusal                    `json:"prefilter,omitempty"`
	Rejected   map[string]refusal          `json:"rejected"`
	Scores     map[string]map[string]int64 `json:"scores"`
	Totals     map[string]int64            `json:"totals"`
	Best       []string                    `json:"best"`
	Placed     string                      `json:"placed,omitempty"`
	Message    string                      `json:"message"`
	Preemption *preemption                 `json:"preemption,omitempty"`
}

func refused(s *fwk.Status) refusal {
	reasons := append([]string{}, s.Reasons()...)
	sort.Strings(reasons)
	return refusal{s.Plugin(), s.Code().String(), reasons}
}

// The pods that are nominated, by node. Nobody is added meanwhile.
type nominations map[string][]fwk.PodInfo

func (n nominations) AddNominatedPod(klog.Logger, fwk.PodInfo, *fwk.NominatingInfo) {}
func (n nominations) DeleteNominatedPodIfExists(*v1.Pod)                            {}
func (n nominations) UpdateNominatedPod(klog.Logger, *v1.Pod, fwk.PodInfo)          {}
func (n nominations) NominatedPodsForNode(node string) []fwk.PodInfo                { return n[node] }

// The framework of one moment of a snapshot.
type decider struct {
	ctx    context.Context
	cancel context.CancelFunc
	in     *snapshot
	shared *cache.Snapshot
	f      framework.Framework
	dp     *defaultpreemption.DefaultPreemption
}

func profile() *config.KubeSchedulerProfile {
	cfg, err := latest.Default()
	if err != nil {
		panic(err)
	}
	p := &cfg.Profiles[0]
	all := p.Plugins.MultiPoint.Enabled
	p.Plugins.MultiPoint.Enabled = nil
	for _, pl := range all {
		if pl.Name != "DynamicResources" {
			p.Plugins.MultiPoint.Enabled = append(p.Plugins.MultiPoint.Enabled, pl)
		}
	}
	return p
}

func (s *snapshot) objects() []runtime.Object {
	var o []runtime.Object
	for _, x := range s.Nodes {
		o = append(o, x)
	}
	for _, x := range s.Namespaces {
		o = append(o, x)
	}
	for _, x := range s.Services {
		o = append(o, x)
	}
	for _, x := range s.ReplicaSets {
		o = append(o, x)
	}
	for _, x := range s.StatefulSets {
		o = append(o, x)
	}
	for _, x := range s.ReplicationControllers {
		o = append(o, x)
	}
	for _, x := range s.PodDisruptionBudgets {
		o = append(o, x)
	}
	for _, x := range s.Nominated {
		o = append(o, x)
	}
	return o
}

func newDecider(in *snapshot) (*decider, error) {
	ctx, cancel := context.WithCancel(context.Background())
	d := &decider{ctx: ctx, cancel: cancel, in: in, shared: cache.NewSnapshot(in.Pods, in.Nodes)}
	client := fake.NewSimpleClientset(in.objects()...)
	inf := informers.NewSharedInformerFactory(client, 0)
	q := nominations{}
	for _, pod := range in.Nominated {
		pi, err := framework.NewPodInfo(pod)
		if err != nil {
			cancel()
			return nil, err
		}
		q[pod.Status.NominatedNodeName] = append(q[pod.Status.NominatedNodeName], pi)
	}
	p := profile()
	registry := plugins.NewInTreeRegistry()
	f, err := fruntime.NewFramework(ctx, registry, p, fruntime.WithClientSet(client), fruntime.WithInformerFactory(inf),
		fruntime.WithSnapshotSharedLister(d.shared), fruntime.WithPodNominator(q), fruntime.WithLogger(klog.FromContext(ctx)))
	if err != nil {
		cancel()
		return nil, err
	}
	d.f = f
	args := &config.DefaultPreemptionArgs{MinCandidateNodesPercentage: 100, MinCandidateNodesAbsolute: 100}
	if d.dp, err = defaultpreemption.New(ctx, args, f, plfeature.NewSchedulerFeaturesFromGates(utilfeature.DefaultFeatureGate)); err != nil {
		cancel()
		return nil, err
	}
	inf.Start(ctx.Done())
	inf.WaitForCacheSync(ctx.Done())
	return d, nil
}

func (d *decider) preempts(state fwk.CycleState, pod *v1.Pod, m *framework.NodeToStatus) (*preemption, error) {
	ret := &preemption{Candidates: map[string]candidate{}, Rejected: map[string]refusal{}, Chosen: []string{}}
	ok, _ := d.dp.PodEligibleToPreemptOthers(d.ctx, pod, m.Get(pod.Status.NominatedNodeName))
	ret.Eligible = ok
	if !ok {
		return ret, nil
	}
	nodes, err := m.NodesForStatusCode(d.shared.NodeInfos(), fwk.Unschedulable)
	if err != nil || len(nodes) == 0 {
		return ret, err
	}
	found, statuses, err := d.dp.Evaluator.DryRunPreemption(d.ctx, state, pod, nodes, d.in.PodDisruptionBudgets, 0, int32(len(nodes)))
	if err != nil {
		return nil, err
	}
	statuses.ForEachExplicitNode(func(name string, s *fwk.Status) { ret.Rejected[name] = refused(s) })
	for _, c := range found {
		one := candidate{[]string{}, c.Victims().NumPDBViolations}
		for _, v := range c.Victims().Pods {
			one.Victims = append(one.Victims, v.Namespace+"/"+v.Name)
		}
		ret.Candidates[c.Name()] = one
	}
	// Which of equal ones is taken is chance: all that are ever taken are right.
	picks := map[string]bool{}
	for i := 0; i < 60 && len(found) > 0; i++ {
		picks[d.dp.Evaluator.SelectCandidate(d.ctx, found).Name()] = true
	}
	for name := range picks {
		ret.Chosen = append(ret.Chosen, name)
	}
	sort.Strings(ret.Chosen)
	return ret, nil
}

func (d *decider) scores(state fwk.CycleState, pod *v1.Pod, fits []fwk.NodeInfo, ret *decision) error {
	if s := d.f.RunPreScorePlugins(d.ctx, state, pod, fits); !s.IsSuccess() {
		return s.AsError()
	}
	all, s := d.f.RunScorePlugins(d.ctx, state, pod, fits)
	if !s.IsSuccess() {
		return s.AsError()
	}
	best := int64(-1)
	for _, n := range all {
		per := map[string]int64{}
		for _, one := range n.Scores {
			per[one.Name] = one.Score
		}
		ret.Scores[n.Name] = per
		ret.Totals[n.Name] = n.TotalScore
		best = max(best, n.TotalScore)
	}
	for _, n := range all {
		if n.TotalScore == best {
			ret.Best = append(ret.Best, n.Name)
		}
	}
	if _, ok := ret.Scores[pod.Status.NominatedNodeName]; ok {
		ret.Best = []string{pod.Status.NominatedNodeName}
	}
	sort.Strings(ret.Best)
	return nil
}

func (d *decider) decide(pod *v1.Pod) (*decision, error) {
	ret := &decision{Pod: pod.Namespace + "/" + pod.Name, Rejected: map[string]refusal{}, Scores: map[string]map[string]int64{},
		Totals: map[string]int64{}, Best: []string{}}
	for _, pl := range d.f.PreEnqueuePlugins() {
		if s := pl.PreEnqueue(d.ctx, pod); !s.IsSuccess() {
			r := refused(s)
			r.Plugin = pl.Name()
			ret.Preenqueue = &r
			return ret, nil
		}
	}
	state := framework.NewCycleState()
	m := framework.NewDefaultNodeToStatus()
	diagnosis := framework.Diagnosis{NodeToStatus: m}
	pre, s, unscheduled := d.f.RunPreFilterPlugins(d.ctx, state, pod)
	if !s.IsSuccess() {
		if !s.IsRejected() {
			return nil, s.AsError()
		}
		r := refused(s)
		ret.Prefilter = &r
		m.SetAbsentNodesStatus(s)
		diagnosis.PreFilterMsg = s.Message()
	}
	nodes, err := d.shared.NodeInfos().List()
	if err != nil {
		return nil, err
	}
	var fits []fwk.NodeInfo
	for _, n := range nodes {
		name := n.Node().Name
		if ret.Prefilter != nil {
			break
		}
		if !pre.AllNodes() && !pre.NodeNames.Has(name) {
			names := []string{}
			for p := range unscheduled {
				names = append(names, p)
			}
			sort.Strings(names)
			st := fwk.NewStatus(fwk.UnschedulableAndUnresolvable, fmt.Sprintf("node(s) didn't satisfy plugin(s) %v", names))
			ret.Rejected[name] = refused(st)
			m.Set(name, st)
			continue
		}
		st := d.f.RunFilterPluginsWithNominatedPods(d.ctx, state, pod, n)
		switch {
		case st.IsSuccess():
			fits = append(fits, n)
		case st.IsRejected():
			ret.Rejected[name] = refused(st)
			m.Set(name, st)
		default:
			return nil, st.AsError()
		}
	}
	if len(fits) > 0 {
		return ret, d.scores(state, pod, fits, ret)
	}
	if !(ret.Prefilter == nil && pre.AllNodes()) && ret.Prefilter == nil {
		m.SetAbsentNodesStatus(fwk.NewStatus(fwk.UnschedulableAndUnresolvable, "excluded"))
	}
	ret.Message = (&framework.FitError{Pod: pod, NumAllNodes: len(nodes), Diagnosis: diagnosis}).Error()
	ret.Preemption, err = d.preempts(state, pod, m)
	return ret, err
}

func withUIDs(pods []*v1.Pod) {
	for _, p := range pods {
		if p.UID == "" {
			p.UID = types.UID(p.Namespace + "/" + p.Name)
		}
	}
}

func decideOne(in *snapshot, pods []*v1.Pod) ([]*decision, error) {
	withUIDs(in.Pods)
	withUIDs(in.Nominated)
	withUIDs(pods)
	d, err := newDecider(in)
	if err != nil {
		return nil, err
	}
	defer d.cancel()
	var all []*decision
	for _, p := range pods {
		one, err := d.decide(p)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func name(p *v1.Pod) string { return p.Namespace + "/" + p.Name }

func without[T any](all []T, is func(T) bool) []T {
	var ret []T
	for _, x := range all {
		if !is(x) {
			ret = append(ret, x)
		}
	}
	return ret
}

func apply(in *snapshot, s *step) {
	drop := func(of string) { in.Pods = without(in.Pods, func(p *v1.Pod) bool { return name(p) == of }) }
	switch {
	case s.AddPod != nil:
		in.Pods = append(in.Pods, s.AddPod)
	case s.UpdatePod != nil:
		drop(name(s.UpdatePod))
		in.Pods = append(in.Pods, s.UpdatePod)
	case s.DeletePod != "":
		drop(s.DeletePod)
	case s.DeleteNode != "":
		in.Nodes = without(in.Nodes, func(n *v1.Node) bool { return n.Name == s.DeleteNode })
	case s.SetNode != nil:
		in.Nodes = append(without(in.Nodes, func(n *v1.Node) bool { return n.Name == s.SetNode.Name }), s.SetNode)
	case s.SetNamespace != nil:
		in.Namespaces = append(without(in.Namespaces, func(n *v1.Namespace) bool { return n.Name == s.SetNamespace.Name }), s.SetNamespace)
	}
}

// Pods of nodes that are not there count nowhere until the node comes back.
func (s *snapshot) present() *snapshot {
	there := map[string]bool{}
	for _, n := range s.Nodes {
		there[n.Name] = true
	}
	ret := *s
	ret.Pods = without(s.Pods, func(p *v1.Pod) bool { return !there[p.Spec.NodeName] })
	return &ret
}

func run(in *snapshot) ([]*decision, error) {
	if in.Steps == nil {
		return decideOne(in.present(), in.Pending)
	}
	var all []*decision
	for i := range in.Steps {
		s := &in.Steps[i]
		if s.Schedule == nil {
			apply(in, s)
			continue
		}
		one, err := decideOne(in.present(), []*v1.Pod{s.Schedule})
		if err != nil {
			return nil, err
		}
		one[0].Preemption = nil
		if len(one[0].Best) > 0 {
			one[0].Placed = one[0].Best[0]
			bound := s.Schedule.DeepCopy()
			bound.Spec.NodeName = one[0].Placed
			in.Pods = append(in.Pods, bound)
		}
		all = append(all, one...)
	}
	return all, nil
}

func main() {
	metrics.Register()
	klog.SetLogger(klog.Logger{})
	r := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := r.ReadBytes('\n')
		if len(line) == 0 && err != nil {
			return
		}
		var in snapshot
		var all []*decision
		if err = json.Unmarshal(line, &in); err == nil {
			all, err = run(&in)
		}
		if err != nil {
			_ = out.Encode(map[string]string{"error": err.Error()})
		} else {
			_ = out.Encode(map[string]any{"decisions": all})
		}
	}
}
