//! What the command line can do. Admin verbs work on the same database as `serve` and are audited as `host:<user>`.

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Parser, Subcommand};

use fleetgate::app::{App, Settings};
use fleetgate::aws::{Aws, AwsConfig};
use fleetgate::clock::{Anchor, Clocks};
use fleetgate::config::{self, Config};
use fleetgate::domain::access::{Actor, EVERYWHERE, Grants, Origin, Role};
use fleetgate::domain::iam;
use fleetgate::store::Store;
use fleetgate::store::audit::Filter;
use fleetgate::{api, serve, web};

/// Self-service control plane for container images on EC2 Auto Scaling groups.
#[derive(Parser)]
#[command(name = "fleetgate", version)]
pub(crate) struct Args {
    /// Configuration file; default `fleetgate.toml` where it exists.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the product.
    Serve {
        /// Rehearse: one real second is N simulated ones. Refused unless AWS_ENDPOINT_URL is a loopback address.
        #[arg(long)]
        speed: Option<f64>,
    },
    /// Run the product with a simulated AWS and a seeded world.
    #[cfg(feature = "demo")]
    Demo(super::demo::Options),
    /// Print the settings in force, with secrets masked.
    CheckConfig,
    /// People.
    #[command(subcommand)]
    User(UserVerb),
    /// API tokens.
    #[command(subcommand)]
    Token(TokenVerb),
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditVerb),
    /// Print the OpenAPI document.
    Openapi,
    /// Print the IAM policy that Fleetgate needs.
    IamPolicy {
        /// For this environment, as APP/ENV; otherwise with placeholders.
        #[arg(long)]
        env: Option<String>,
    },
    /// Print every route with its access level.
    Routes,
}

#[derive(Subcommand)]
enum UserVerb {
    /// Create a person and print the link, good once and for three days, by which they choose their password.
    Add {
        /// Name to sign in with.
        name: String,
        /// Right, as ROLE for everywhere or SCOPE=ROLE: scope APP/ENV or `*`; role viewer, deployer, approver or admin. May be repeated.
        #[arg(long = "grant", required = true)]
        grants: Vec<String>,
        /// Choose the password here, from standard input, instead of printing the link.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Disable a person; their sessions end.
    Disable {
        /// Name.
        name: String,
    },
    /// Make a person's password void, end their sessions, and print a new link.
    Reset {
        /// Name.
        name: String,
        /// Choose the password here, from standard input, instead of printing the link.
        #[arg(long)]
        password_stdin: bool,
    },
}

#[derive(Subcommand)]
enum TokenVerb {
    /// Create a token and print it, alone, on standard output.
    Create {
        /// Its name.
        #[arg(long)]
        name: String,
        /// For every environment.
        #[arg(long, conflicts_with = "env", required_unless_present = "env")]
        all: bool,
        /// For this environment, as APP/ENV. May be repeated.
        #[arg(long)]
        env: Vec<String>,
        /// Life, such as 90d or 12h.
        #[arg(long, default_value = "90d", value_parser = life)]
        expires: i64,
    },
    /// Revoke a token.
    Revoke {
        /// Its name.
        name: String,
    },
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Recompute the whole chain; exit code 1 and the first bad entry where it does not hold.
    Verify,
    /// Print all entries as NDJSON, oldest first.
    Export,
}

fn life(text: &str) -> Result<i64, String> {
    let split = text.len().saturating_sub(1);
    let (number, unit) = text.split_at_checked(split).ok_or("write a number and d, h or m")?;
    let n: i64 = number.parse().map_err(|_| "write a number and d, h or m, such as 90d")?;
    let unit = match unit {
        "d" => 86_400_000,
        "h" => 3_600_000,
        "m" => 60_000,
        _ => return Err("write a number and d, h or m, such as 90d".into()),
    };
    n.checked_mul(unit).filter(|ms| *ms > 0).ok_or_else(|| "is too long or not positive".into())
}

/// Carries out a command line.
///
/// # Errors
/// A sentence for standard error.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.verb {
        #[cfg(feature = "demo")]
        Verb::Demo(options) => super::demo::run(options).await?,
        Verb::Serve { speed } => run_serve(&Config::load(args.config.as_deref())?, speed).await?,
        Verb::CheckConfig => {
            let c = Config::load(args.config.as_deref())?;
            println!("database_url = {:?}", c.masked_database());
            println!("listen = \"{}\"", c.listen);
            println!("public_url = {:?}", c.public_url);
            println!(
                "private_listen = {}",
                c.private_listen.map_or("(none: /healthz and /readyz are on the main listener)".into(), |a| format!("\"{a}\""))
            );
            println!("region = {:?}", c.region);
            println!("connections_per_address = {}", c.connections_per_address);
            println!("aws_endpoint = {}", c.aws_endpoint.as_deref().unwrap_or("(AWS)"));
        }
        Verb::Openapi => println!("{}", api::description().to_pretty_json()?),
        Verb::Routes => {
            for r in web::ROUTES {
                println!("{:<5} {:<58} {:?}", r.method, r.path, r.access);
            }
        }
        Verb::IamPolicy { env: None } => println!("{}", serde_json::to_string_pretty(&iam::policy(None, None))?),
        Verb::IamPolicy { env: Some(scope) } => {
            let app = admin_app(args.config.as_deref()).await?;
            let (name, env) = scope.split_once('/').context("write the environment as APP/ENV")?;
            let env = app.store.find_environment(name, env).await?.with_context(|| format!("there is no environment {scope}"))?;
            let look = app.store.find_observation(env.id).await?;
            let template = look.and_then(|l| l.observation.versions.into_values().next()).map(|v| v.template_id);
            println!("{}", serde_json::to_string_pretty(&iam::policy(Some(&env), template.as_deref()))?);
        }
        Verb::User(verb) => {
            let url = Config::load(args.config.as_deref())?.public_url;
            user(&admin_app(args.config.as_deref()).await?, &url, verb).await?;
        }
        Verb::Token(verb) => token(&admin_app(args.config.as_deref()).await?, verb).await?,
        Verb::Audit(verb) => {
            let config = Config::load(args.config.as_deref())?;
            if let Some(path) = config.database_file() {
                anyhow::ensure!(path.exists(), "{} does not exist: there is no trail to read", path.display());
            }
            return audit(&admin_app(args.config.as_deref()).await?, verb).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn run_serve(config: &Config, speed: Option<f64>) -> anyhow::Result<()> {
    config::check_speed(speed, config.aws_endpoint.as_deref())?;
    let store = Store::open_alone(&config.database_url, Clocks::system(), config.lock_file().as_deref()).await?;
    let clocks = match speed {
        None => Clocks::system(),
        Some(speed) => {
            let now = Clocks::system().wall();
            Clocks::scaled(store.anchor(speed, Anchor { wall: now, cloud: now }).await?, speed)
        }
    };
    let aws = Aws::connect(AwsConfig { endpoint: config.aws_endpoint.clone(), ..AwsConfig::default() }, clocks.clone()).await;
    let settings = Settings { region: config.region.clone(), secure_cookie: config.secure(), ..Settings::default() };
    let app = App::new(store, aws, clocks, settings);
    // With port 0 the address is known only after binding, and the public URL follows it.
    let url = (config.listen.port() != 0 || config.public_url != format!("http://{}", config.listen)).then_some(config.public_url.as_str());
    let running = serve::start(app, config.listen, config.private_listen, url, config.connections_per_address).await?;
    println!("fleetgate listens on http://{}", running.addr);
    running.until_signal().await
}

async fn admin_app(file: Option<&std::path::Path>) -> anyhow::Result<App> {
    let config = Config::load(file)?;
    let clocks = Clocks::system();
    let store = Store::open(&config.database_url, clocks.clone()).await?;
    let aws = Aws::connect(AwsConfig { endpoint: config.aws_endpoint, ..AwsConfig::default() }, clocks.clone()).await;
    Ok(App::new(store, aws, clocks, Settings { region: config.region, ..Settings::default() }))
}

fn host() -> Actor {
    Actor::host(&config::host_user())
}

/// `ROLE` or `SCOPE=ROLE`, several times.
fn grants(given: &[String]) -> anyhow::Result<Grants> {
    let mut out = Grants::new();
    for g in given {
        let (scope, role) = g.split_once('=').unwrap_or((EVERYWHERE, g));
        if scope != EVERYWHERE && scope.split('/').filter(|p| !p.is_empty()).count() != 2 {
            bail!("`{scope}`: a scope is APP/ENV or *");
        }
        let role: Role = role.parse().map_err(anyhow::Error::msg)?;
        out.entry(scope.to_owned()).or_default().push(role);
    }
    Ok(out)
}

async fn user(app: &App, public_url: &str, verb: UserVerb) -> anyhow::Result<()> {
    match verb {
        UserVerb::Add { name, grants: given, password_stdin } => {
            let link = app.add_person(&host(), &name, &grants(&given)?).await?;
            hand_over(app, public_url, &name, &link, password_stdin).await?;
        }
        UserVerb::Disable { name } => {
            app.disable_person(&host(), &name).await?;
            eprintln!("{name} is disabled; their sessions have ended.");
        }
        UserVerb::Reset { name, password_stdin } => {
            let link = app.reset_person(&host(), &name).await?;
            hand_over(app, public_url, &name, &link, password_stdin).await?;
        }
    }
    Ok(())
}

/// Prints a person's setup link, alone on standard output, or uses it up here.
async fn hand_over(app: &App, public_url: &str, name: &str, link: &str, password_stdin: bool) -> anyhow::Result<()> {
    if password_stdin {
        let mut text = String::new();
        std::io::stdin().take(1000).read_to_string(&mut text)?;
        app.choose_password(link, text.trim_end_matches(['\r', '\n']), Origin::default())
            .await
            .context("the person exists now, without a password: choose one with `fleetgate user reset`")?;
        return Ok(());
    }
    println!("{public_url}/setup/{link}");
    eprintln!("Give this link to {name}. It works once, for three days: there they choose their own password.");
    Ok(())
}

async fn token(app: &App, verb: TokenVerb) -> anyhow::Result<()> {
    match verb {
        TokenVerb::Create { name, all, env, expires } => {
            let scopes = if all { vec![EVERYWHERE.to_owned()] } else { env };
            println!("{}", app.create_token(&host(), &name, &scopes, expires).await?);
        }
        TokenVerb::Revoke { name } => {
            app.revoke_token(&host(), &name).await?;
            eprintln!("{name} is revoked.");
        }
    }
    Ok(())
}

async fn audit(app: &App, verb: AuditVerb) -> anyhow::Result<ExitCode> {
    match verb {
        AuditVerb::Verify => match app.store.verify_audit().await? {
            Ok((0, _)) => {
                println!("The trail is empty: nothing was ever done here.");
                Ok(ExitCode::FAILURE)
            }
            Ok((seq, hash)) => {
                println!("{seq} entries, head {hash}: the chain holds.");
                Ok(ExitCode::SUCCESS)
            }
            Err(why) => {
                println!("The chain is broken. {why}");
                Ok(ExitCode::FAILURE)
            }
        },
        AuditVerb::Export => {
            let mut after = 0;
            loop {
                let rows = app.store.page_audit(&Filter::default(), after, 500).await?;
                let Some(last) = rows.last() else { return Ok(ExitCode::SUCCESS) };
                after = last.seq;
                for row in &rows {
                    println!("{}", serde_json::to_string(row)?);
                }
            }
        }
    }
}
