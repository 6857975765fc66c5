//! Rules of listeners, their conditions and actions (aws-reference 6).

use crate::{
    client::{Got, World, world},
    elb::{balancer, done, elb, group},
};

const ANSWER: [(&str, &str); 2] = [("Actions.member.1.Type", "fixed-response"), ("Actions.member.1.FixedResponseConfig.StatusCode", "503")];

/// A rule on a path that answers by itself.
async fn rule(w: &World, listener: &str, priority: &str, path: &str) -> Got {
    let mut params = vec![
        ("ListenerArn", listener),
        ("Priority", priority),
        ("Conditions.member.1.Field", "path-pattern"),
        ("Conditions.member.1.Values.member.1", path),
    ];
    params.extend(ANSWER);
    elb(w, "CreateRule", &params).await
}

#[tokio::test]
async fn rules_come_by_priority_and_hold_it_alone() {
    let w = world().await;
    let listener = elb(&w, "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let listener = elb(&w, "DescribeListeners", &[("LoadBalancerArn", &listener)]).await.one("ListenerArn");
    let twenty = rule(&w, &listener, "20", "/b*").await.one("RuleArn");
    let ten = rule(&w, &listener, "10", "/a*").await.one("RuleArn");
    rule(&w, &listener, "10", "/c*").await.refused(400, "PriorityInUse");
    let rules = async || elb(&w, "DescribeRules", &[("ListenerArn", &listener)]).await;
    let default = rules().await.all("RuleArn").last().cloned().unwrap_or_default();
    assert_eq!(rules().await.all("RuleArn"), [ten.clone(), twenty.clone(), default.clone()]);
    let pair = |a: &'static str, b: &'static str| {
        [
            ("RulePriorities.member.1.RuleArn", ten.clone()),
            ("RulePriorities.member.1.Priority", a.to_owned()),
            ("RulePriorities.member.2.RuleArn", twenty.clone()),
            ("RulePriorities.member.2.Priority", b.to_owned()),
        ]
    };
    let swapped = pair("20", "10");
    let params: Vec<(&str, &str)> = swapped.iter().map(|(k, v)| (*k, v.as_str())).collect();
    done(&w, "SetRulePriorities", &params).await;
    assert_eq!(rules().await.all("RuleArn")[..2], [twenty.clone(), ten.clone()], "two rules can change places");
    elb(&w, "SetRulePriorities", &params[..2]).await;
    let clash = [("RulePriorities.member.1.RuleArn", ten.as_str()), ("RulePriorities.member.1.Priority", "10")];
    elb(&w, "SetRulePriorities", &clash).await.refused(400, "PriorityInUse");
    for (action, params) in [
        ("DeleteRule", vec![("RuleArn", default.as_str())]),
        ("ModifyRule", [vec![("RuleArn", default.as_str())], ANSWER.to_vec()].concat()),
        ("SetRulePriorities", vec![("RulePriorities.member.1.RuleArn", default.as_str()), ("RulePriorities.member.1.Priority", "5")]),
    ] {
        elb(&w, action, &params).await.refused(400, "OperationNotPermitted");
    }
    done(&w, "DeleteRule", &[("RuleArn", &ten)]).await;
    assert_eq!(rules().await.all("RuleArn"), [twenty, default]);
}

#[tokio::test]
async fn conditions_are_checked_and_told_in_both_spellings() {
    let w = world().await;
    let listener = elb(&w, "DescribeLoadBalancers", &[]).await.one("LoadBalancerArn");
    let listener = elb(&w, "DescribeListeners", &[("LoadBalancerArn", &listener)]).await.one("ListenerArn");
    let with = |conditions: &[(&'static str, &'static str)]| {
        let mut params = vec![("ListenerArn", listener.as_str()), ("Priority", "1")];
        params.extend(ANSWER);
        params.extend(conditions);
        params
    };
    let field = |name| ("Conditions.member.1.Field", name);
    for bad in [
        vec![],
        vec![field("odd"), ("Conditions.member.1.Values.member.1", "/a")],
        vec![field("path-pattern"), ("Conditions.member.1.Values.member.1", "/a b")],
        vec![field("path-pattern"), ("Conditions.member.1.HostHeaderConfig.Values.member.1", "a.b")],
        vec![field("path-pattern"), ("Conditions.member.1.Values.member.1", "/a"), ("Conditions.member.1.HostHeaderConfig.Values.member.1", "a.b")],
        vec![field("host-header"), ("Conditions.member.1.Values.member.1", "nodot")],
        vec![field("http-request-method"), ("Conditions.member.1.HttpRequestMethodConfig.Values.member.1", "get")],
        vec![field("source-ip"), ("Conditions.member.1.SourceIpConfig.Values.member.1", "10.0.0.1")],
        vec![field("http-header"), ("Conditions.member.1.HttpHeaderConfig.Values.member.1", "x")],
        vec![field("path-pattern"), ("Conditions.member.1.PathPatternConfig.RegexValues.member.1", "x")],
    ] {
        let got = elb(&w, "CreateRule", &with(&bad)).await;
        assert_eq!(got.status, 400, "{bad:?}");
    }
    let all = [
        field("path-pattern"),
        ("Conditions.member.1.Values.member.1", "/img/*"),
        ("Conditions.member.2.Field", "http-header"),
        ("Conditions.member.2.HttpHeaderConfig.HttpHeaderName", "User-Agent"),
        ("Conditions.member.2.HttpHeaderConfig.Values.member.1", "*Chrome*"),
        ("Conditions.member.3.Field", "query-string"),
        ("Conditions.member.3.QueryStringConfig.Values.member.1.Key", "version"),
        ("Conditions.member.3.QueryStringConfig.Values.member.1.Value", "v1"),
        ("Conditions.member.4.Field", "source-ip"),
        ("Conditions.member.4.SourceIpConfig.Values.member.1", "10.0.0.0/8"),
        ("Conditions.member.5.Field", "http-request-method"),
        ("Conditions.member.5.HttpRequestMethodConfig.Values.member.1", "GET"),
    ];
    let got = done(&w, "CreateRule", &with(&all)).await;
    assert!(got.body.contains("<PathPatternConfig><Values><member>/img/*</member></Values></PathPatternConfig>"));
    assert!(got.body.contains("<Field>path-pattern</Field><Values><member>/img/*</member></Values>"));
    let six = ("Conditions.member.6.Field", "host-header");
    let more = [all.as_slice(), &[six, ("Conditions.member.6.Values.member.1", "a.example.com")]].concat();
    elb(&w, "CreateRule", &with(&more)).await.refused(400, "ValidationError");
}

#[tokio::test]
async fn an_action_ends_the_request_in_one_way() {
    let w = world().await;
    let (web, a, b) = (balancer(&w, "web").await, group(&w, "a", &[]).await, group(&w, "b", &[]).await);
    let with = |port: &'static str, action: &[(&'static str, &str)]| {
        let names: Vec<String> = action.iter().map(|(k, _)| format!("DefaultActions.member.1.{k}")).collect();
        let pairs = names.into_iter().zip(action.iter().map(|(_, v)| (*v).to_owned()));
        let fixed = [("LoadBalancerArn", web.clone()), ("Port", port.to_owned()), ("Protocol", "HTTP".to_owned())];
        fixed.into_iter().map(|(k, v)| (k.to_owned(), v)).chain(pairs).collect::<Vec<(String, String)>>()
    };
    let make = async |port, action: &[(&'static str, &str)]| {
        let params = with(port, action);
        let params: Vec<(&str, &str)> = params.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        elb(&w, "CreateListener", &params).await
    };
    let weighted = [
        ("Type", "forward"),
        ("ForwardConfig.TargetGroups.member.1.TargetGroupArn", a.as_str()),
        ("ForwardConfig.TargetGroups.member.1.Weight", "9"),
        ("ForwardConfig.TargetGroups.member.2.TargetGroupArn", b.as_str()),
        ("ForwardConfig.TargetGroups.member.2.Weight", "0"),
        ("ForwardConfig.TargetGroupStickinessConfig.Enabled", "true"),
        ("ForwardConfig.TargetGroupStickinessConfig.DurationSeconds", "60"),
    ];
    let got = make("80", &weighted).await;
    assert_eq!((got.status, got.all("Weight")), (200, vec!["9".to_owned(), "0".to_owned()]));
    let forward_alone = got.one("DefaultActions").split("<ForwardConfig>").next().unwrap_or_default().to_owned();
    assert!(!forward_alone.contains("TargetGroupArn"), "several groups stand in the config alone");
    make("81", &weighted[..6]).await.refused(400, "ValidationError");
    make("81", &[("Type", "authenticate-oidc")]).await.refused(400, "InvalidLoadBalancerAction");
    make("81", &[("Type", "redirect"), ("RedirectConfig.StatusCode", "HTTP_301")]).await.refused(400, "InvalidLoadBalancerAction");
    make("81", &[("Type", "fixed-response"), ("FixedResponseConfig.StatusCode", "301")]).await.refused(400, "ValidationError");
    make("81", &[("Type", "forward"), ("TargetGroupArn", &a), ("FixedResponseConfig.StatusCode", "500")])
        .await
        .refused(400, "InvalidLoadBalancerAction");
    let got = make("81", &[("Type", "redirect"), ("RedirectConfig.StatusCode", "HTTP_301"), ("RedirectConfig.Protocol", "HTTPS")]).await;
    assert_eq!([got.one("Host"), got.one("Path"), got.one("Query")], ["#{host}", "/#{path}", "#{query}"], "what is not said stays");
}
