// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
)

func configMap(ns, name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: map[string]string{"of": ns}}, Data: map[string]string{"n": "0"}}
}

// An informer that was there before, during and after what 16 clients do sees every change, and ends with what is stored.
func (s *suite) informer() error {
	const n = 300
	maps := s.client.CoreV1().ConfigMaps("informed")
	if err := s.namespace("informed"); err != nil {
		return err
	}
	for i := range n / 3 {
		if _, err := maps.Create(s.ctx, configMap("informed", fmt.Sprintf("early-%d", i)), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	before := s.seen.streaming.Load()
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, 0, informers.WithNamespace("informed"))
	informer := factory.Core().V1().ConfigMaps()
	var added, updated, deleted atomic.Int64
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { added.Add(1) }, UpdateFunc: func(_, _ any) { updated.Add(1) }, DeleteFunc: func(any) { deleted.Add(1) }})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	if s.seen.streaming.Load() == before {
		return errors.New("no streaming list was asked for")
	}
	err = parallel(n, 16, func(i int) error {
		name := fmt.Sprintf("m-%d", i)
		if _, err := maps.Create(ctx, configMap("informed", name), metav1.CreateOptions{}); err != nil {
			return err
		}
		return retry.RetryOnConflict(retry.DefaultRetry, func() error {
			m, err := maps.Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return err
			}
			m.Data["n"] = "1"
			_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
			return err
		})
	})
	if err != nil {
		return err
	}
	if err := maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "of=informed", FieldSelector: "metadata.name!=m-0"}); err != nil {
		return err
	}
	if err := eventually("all events", func() bool { return deleted.Load() == n/3+n-1 }); err != nil {
		return fmt.Errorf("%w: %d added, %d updated, %d deleted", err, added.Load(), updated.Load(), deleted.Load())
	}
	left, err := informer.Lister().ConfigMaps("informed").List(labels.Everything())
	if err != nil || len(left) != 1 || left[0].Name != "m-0" || left[0].Data["n"] != "1" {
		return fmt.Errorf("left %v, %v", left, err)
	}
	if added.Load() != n/3+n || updated.Load() != n {
		return fmt.Errorf("%d added, %d updated", added.Load(), updated.Load())
	}
	return nil
}

// Sixteen clients that count in one object never lose an update.
func (s *suite) conflicts() error {
	maps := s.client.CoreV1().ConfigMaps("default")
	if _, err := maps.Create(s.ctx, configMap("default", "counter"), metav1.CreateOptions{}); err != nil {
		return err
	}
	many := wait.Backoff{Steps: 500, Duration: 5 * time.Millisecond, Factor: 1, Jitter: 1}
	err := parallel(160, 16, func(int) error {
		return retry.RetryOnConflict(many, func() error {
			m, err := maps.Get(s.ctx, "counter", metav1.GetOptions{})
			if err != nil {
				return err
			}
			var n int
			fmt.Sscan(m.Data["n"], &n)
			m.Data["n"] = fmt.Sprint(n + 1)
			_, err = maps.Update(s.ctx, m, metav1.UpdateOptions{})
			return err
		})
	})
	if err != nil {
		return err
	}
	m, err := maps.Get(s.ctx, "counter", metav1.GetOptions{})
	if err != nil || m.Data["n"] != "160" {
		return fmt.Errorf("%v, %v", m.Data, err)
	}
	return nil
}

func (s *suite) pages() error {
	if err := s.namespace("paged"); err != nil {
		return err
	}
	err := parallel(130, 8, func(i int) error {
		_, err := s.client.CoreV1().Secrets("paged").Create(s.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s-%03d", i)}}, metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	p := pager.New(func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return s.client.CoreV1().Secrets("paged").List(ctx, o) })
	p.PageSize = 20
	n := 0
	err = p.EachListItem(s.ctx, metav1.ListOptions{}, func(runtime.Object) error { n++; return nil })
	if err != nil || n != 130 {
		return fmt.Errorf("%d, %v", n, err)
	}
	return nil
}

func (s *suite) leaders() error {
	led := make(chan string, 8)
	run := func(ctx context.Context, id string, done chan<- struct{}) {
		lock := &resourcelock.LeaseLock{LeaseMeta: metav1.ObjectMeta{Name: "election", Namespace: "default"}, Client: s.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: id}}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{Lock: lock, LeaseDuration: 4 * time.Second, RenewDeadline: 3 * time.Second,
			RetryPeriod: 200 * time.Millisecond, ReleaseOnCancel: true, Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) { led <- id }, OnStoppedLeading: func() {}}})
		close(done)
	}
	first, stop := context.WithCancel(s.ctx)
	second, stopSecond := context.WithCancel(s.ctx)
	firstDone, secondDone := make(chan struct{}), make(chan struct{})
	defer stop()
	defer stopSecond()
	go run(first, "a", firstDone)
	if who := <-led; who != "a" {
		return fmt.Errorf("%s leads", who)
	}
	go run(second, "b", secondDone)
	time.Sleep(time.Second) // b asks a few times meanwhile
	if len(led) > 0 {
		return errors.New("two lead")
	}
	stop()
	<-firstDone
	select {
	case who := <-led:
		if who != "b" {
			return fmt.Errorf("%s leads", who)
		}
	case <-time.After(10 * time.Second):
		return errors.New("nobody leads")
	}
	stopSecond()
	<-secondDone
	return nil
}

func (s *suite) events() error {
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: s.client.CoreV1().Events("default")})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "interop"})
	ref := &corev1.ObjectReference{Kind: "ConfigMap", Namespace: "default", Name: "counter", APIVersion: "v1"}
	for range 4 {
		recorder.Event(ref, corev1.EventTypeNormal, "Counted", "the same")
	}
	return eventually("one event, four times", func() bool {
		list, err := s.client.CoreV1().Events("default").List(s.ctx, metav1.ListOptions{FieldSelector: "involvedObject.name=counter,reason=Counted"})
		return err == nil && len(list.Items) == 1 && list.Items[0].Count == 4
	})
}

func (s *suite) applies() error {
	one := int32(1)
	d := appsapply.Deployment("applied", "default").WithSpec(appsapply.DeploymentSpec().WithReplicas(one).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(map[string]string{"a": "b"})).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(map[string]string{"a": "b"}).
			WithSpec(coreapply.PodSpec().WithContainers(coreapply.Container().WithName("c").WithImage("i")))))
	made, err := s.client.AppsV1().Deployments("default").Apply(s.ctx, d, metav1.ApplyOptions{FieldManager: "m"})
	if err != nil {
		return err
	}
	extracted, err := appsapply.ExtractDeployment(made, "m")
	if err != nil || *extracted.Spec.Replicas != 1 {
		return fmt.Errorf("%v, %v", extracted, err)
	}
	_, err = s.client.AppsV1().Deployments("default").Apply(s.ctx, appsapply.Deployment("applied", "default").WithSpec(appsapply.DeploymentSpec().WithReplicas(3)),
		metav1.ApplyOptions{FieldManager: "other"})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict but %v", err)
	}
	scale, err := s.client.AppsV1().Deployments("default").GetScale(s.ctx, "applied", metav1.GetOptions{})
	if err != nil {
		return err
	}
	scale.Spec.Replicas = 5
	var got *autoscalingv1.Scale
	if got, err = s.client.AppsV1().Deployments("default").UpdateScale(s.ctx, "applied", scale, metav1.UpdateOptions{}); err != nil || got.Spec.Replicas != 5 {
		return fmt.Errorf("%v, %v", got, err)
	}
	patched, err := s.client.AppsV1().Deployments("default").Patch(s.ctx, "applied", types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"X","value":"y"}]}]}}}}`), metav1.PatchOptions{})
	if err != nil || patched.Spec.Template.Spec.Containers[0].Image != "i" || len(patched.Spec.Template.Spec.Containers[0].Env) != 1 {
		return fmt.Errorf("%v, %v", patched, err)
	}
	return nil
}

func (s *suite) reviews() error {
	if _, err := s.client.CoreV1().ServiceAccounts("default").Create(s.ctx, &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "robot"}}, metav1.CreateOptions{}); err != nil {
		return err
	}
	token, err := s.client.CoreV1().ServiceAccounts("default").CreateToken(s.ctx, "robot", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	who, err := s.client.AuthenticationV1().TokenReviews().Create(s.ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}, metav1.CreateOptions{})
	if err != nil || who.Status.User.Username != "system:serviceaccount:default:robot" {
		return fmt.Errorf("%v, %v", who, err)
	}
	may, err := s.client.AuthorizationV1().SubjectAccessReviews().Create(s.ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Status.User.Username, ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "get", Resource: "secrets"}}}, metav1.CreateOptions{})
	if err != nil || may.Status.Allowed {
		return fmt.Errorf("%v, %v", may, err)
	}
	return nil
}

func (s *suite) discovers() error {
	lists, err := discovery.ServerPreferredResources(s.client.Discovery())
	if err != nil || len(lists) < 15 {
		return fmt.Errorf("%d lists, %v", len(lists), err)
	}
	_, err = s.client.Discovery().OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	_, err = s.client.Discovery().OpenAPISchema()
	return err
}

func (s *suite) metadataInformer() error {
	client, err := metadata.NewForConfig(metadata.ConfigFor(s.config))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, "paged", nil)
	informer := factory.ForResource(corev1.SchemeGroupVersion.WithResource("secrets"))
	factory.Start(ctx.Done())
	informer.Informer()
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	all, err := informer.Lister().List(labels.Everything())
	if err != nil || len(all) != 130 {
		return fmt.Errorf("%d, %v", len(all), err)
	}
	return nil
}

func (s *suite) clientGo() {
	s.check("informer", s.informer)
	s.check("conflicts", s.conflicts)
	s.check("pages", s.pages)
	s.check("leader election", s.leaders)
	s.check("events", s.events)
	s.check("apply, scale, patch", s.applies)
	s.check("reviews", s.reviews)
	s.check("discovery", s.discovers)
	s.check("metadata informer", s.metadataInformer)
}
