//! Owns the terminal: waits for keys, snapshots and signals, passes them to [`update`], carries out
//! the effects, and always restores the terminal.

mod pages;

use std::io::{IsTerminal, stdout};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use crossterm::cursor::{Hide, Show};
use crossterm::event::{
    DisableBracketedPaste, EnableBracketedPaste, Event, EventStream, KeyCode, KeyEvent,
    KeyEventKind, KeyModifiers,
};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use futures_core::Stream;
use jiff::tz::TimeZone;
pub use pages::pages;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::service::view_input::ViewInput;
use memtrace_core::live::Latest;
use memtrace_core::reactor::{Decided, Step};
use memtrace_core::replay::order::Place;
use memtrace_view::tui::TopOptions;
use memtrace_view::tui::key::Key;
use memtrace_view::tui::state::State;
use memtrace_view::tui::update::{Effect, Message, update};
use memtrace_view::tui::view;

/// Maximum wait for a busy source at the end.
const PATIENCE: Duration = Duration::from_secs(2);

/// A thread panicked, and its hook has restored the terminal.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Shows the loop's snapshots until the user quits, a signal ends the process or the
/// terminal goes away; then ends the loop.
///
/// # Errors
/// When standard output is no terminal, or it can't be drawn on.
pub async fn run(input: ViewInput, options: TopOptions) -> Result<()> {
    ensure!(
        stdout().is_terminal(),
        "the live view needs a terminal; use --once, --plain or --json for pipes and files"
    );
    remember_panics();
    let mut screen = Screen::enter()?;
    let outcome = watch(&mut screen, &input, &options).await;
    // The terminal first, so that the user doesn't wait for a busy source.
    drop(screen);
    input.handle.stop(PATIENCE).await;
    outcome
}

/// The terminal while it is ours; given back when this is dropped.
struct Screen {
    terminal: DefaultTerminal,
}

impl Screen {
    fn enter() -> Result<Self> {
        // Also sets a panic hook that gives the terminal back before the message.
        let terminal = ratatui::try_init().context("cannot set up the terminal")?;
        let screen = Self { terminal };
        // Pasted text must not be taken for commands; terminals without this don't mind.
        execute!(stdout(), EnableBracketedPaste).context("cannot set up the terminal")?;
        Ok(screen)
    }

    /// Restores the terminal, stops this process, and sets the terminal up again after SIGCONT.
    fn suspend(&mut self) -> Result<()> {
        give_back();
        // SIGSTOP and not SIGTSTP, which is ours; a shell can't tell them apart.
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)
            .context("stopping")?;
        enable_raw_mode().context("taking the terminal again")?;
        execute!(stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)
            .context("taking the terminal again")?;
        self.terminal.clear().context("clearing the terminal")
    }

    fn draw(&mut self, state: &State) -> Result<()> {
        self.terminal
            .draw(|frame| {
                let area = frame.area();
                view::draw(frame.buffer_mut(), area, state);
            })
            .context("drawing on the terminal")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // After a panic the hook has done it, and doing it again would write over the
        // message.
        if !PANICKED.load(Ordering::SeqCst) {
            give_back();
        }
    }
}

/// If the terminal is gone, there is nothing left to give back: failures don't matter.
fn give_back() {
    let _ = execute!(stdout(), DisableBracketedPaste, Show);
    ratatui::restore();
}

/// A panic in any thread restores the terminal; drawing on must not take it again.
fn remember_panics() {
    let earlier = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICKED.store(true, Ordering::SeqCst);
        earlier(info);
    }));
}

/// The signals that matter to something that owns a terminal.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    stop: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            stop: listen(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
        })
    }

    /// What the next signal asks for.
    async fn next(&mut self) -> Effect {
        tokio::select! {
            _ = self.interrupt.recv() => Effect::Quit,
            _ = self.terminate.recv() => Effect::Quit,
            _ = self.hangup.recv() => Effect::Quit,
            _ = self.stop.recv() => Effect::Suspend,
        }
    }
}

/// What the view has to hear, or this process to do.
enum Happening {
    Effect(Effect),
    Message(Message),
}

/// All that is waited for.
struct Sources<'a> {
    input: &'a ViewInput,
    signals: Signals,
    events: EventStream,
    latest: Watched<Latest>,
    step: Watched<Option<Arc<Step>>>,
    beside: Watched<Option<Decided>>,
    /// Of samples of another memtrace only.
    whose: Option<Watched<String>>,
    /// Of a recording only.
    place: Option<Watched<Place>>,
}

impl<'a> Sources<'a> {
    fn open(input: &'a ViewInput) -> Result<Self> {
        let handle = &input.handle;
        let mut latest = Watched::new(&handle.latest);
        // The present content is shown at once.
        latest.receiver.mark_changed();
        Ok(Self {
            input,
            signals: Signals::listen()?,
            events: EventStream::new(),
            latest,
            step: Watched::new(&handle.step),
            beside: Watched::new(&input.beside),
            whose: input.whose.as_ref().map(Watched::new),
            place: input.replay.as_ref().map(|remote| Watched::new(&remote.place)),
        })
    }

    /// Waits; `None` for an event of the terminal without a meaning.
    async fn next(&mut self) -> Result<Option<Happening>> {
        let message = tokio::select! {
            effect = self.signals.next() => return Ok(Some(Happening::Effect(effect))),
            event = next(&mut self.events) => {
                let event = event.context("the terminal has been closed")?;
                message(event.context("reading keys")?)
            }
            newest = self.latest.next() => Some(newest.map_or(Message::Ended, Message::Latest)),
            _ = self.step.next() => Some(Message::Decided(self.input.decided())),
            _ = self.beside.next() => Some(Message::Decided(self.input.decided())),
            whose = next_of(&mut self.whose) => whose.map(Message::From),
            place = next_of(&mut self.place) => place.map(Message::Replay),
        };
        Ok(message.map(Happening::Message))
    }
}

/// A value that another task replaces.
struct Watched<T> {
    receiver: watch::Receiver<T>,
    is_open: bool,
}

impl<T: Clone> Watched<T> {
    fn new(receiver: &watch::Receiver<T>) -> Self {
        Self { receiver: receiver.clone(), is_open: true }
    }

    /// Waits for the next value. `None`: there won't be another, which is said once.
    async fn next(&mut self) -> Option<T> {
        if !self.is_open {
            std::future::pending::<()>().await;
        }
        self.is_open = self.receiver.changed().await.is_ok();
        self.is_open.then(|| self.receiver.borrow_and_update().clone())
    }
}

/// The next value of one that there may not be.
async fn next_of<T: Clone>(watched: &mut Option<Watched<T>>) -> Option<T> {
    match watched {
        Some(watched) => watched.next().await,
        None => std::future::pending().await,
    }
}

async fn watch(screen: &mut Screen, input: &ViewInput, options: &TopOptions) -> Result<()> {
    let mut sources = Sources::open(input)?;
    let size = screen.terminal.size().context("asking for the terminal's size")?;
    let interval = input.handle.control.borrow().interval;
    let mut state = State::new(options, interval, (size.width, size.height), TimeZone::system());
    update(&mut state, Message::Decided(input.decided()));
    if let Some(whose) = &input.whose {
        let whose = whose.borrow().clone();
        update(&mut state, Message::From(whose));
    }
    if let Some(remote) = &input.replay {
        let place = remote.place.borrow().clone();
        update(&mut state, Message::Replay(place));
    }
    loop {
        if PANICKED.load(Ordering::SeqCst) {
            bail!("internal error; see the message above");
        }
        screen.draw(&state)?;
        let effects = match sources.next().await? {
            Some(Happening::Effect(effect)) => vec![effect],
            Some(Happening::Message(message)) => update(&mut state, message),
            None => continue,
        };
        for effect in effects {
            if effect == Effect::Quit {
                return Ok(());
            }
            carry_out(effect, screen, input, &mut state)?;
        }
    }
}

/// Every effect but the end, which is the caller's.
fn carry_out(
    effect: Effect,
    screen: &mut Screen,
    input: &ViewInput,
    state: &mut State,
) -> Result<()> {
    let control = &input.handle.control;
    match effect {
        Effect::Quit => {}
        Effect::Suspend => {
            screen.suspend()?;
            let size = screen.terminal.size().context("asking for the size")?;
            update(state, Message::Resize(size.width, size.height));
        }
        Effect::Repaint => screen.terminal.clear().context("clearing the terminal")?,
        Effect::SetInterval(interval) => control.send_modify(|control| control.interval = interval),
        Effect::SetDetail(vm) => control.send_modify(|control| control.detail = vm),
        // An ended player is shown on the screen.
        Effect::Replay(order) => {
            let _ = input.replay.as_ref().map(|remote| remote.orders.send(order));
        }
    }
    Ok(())
}

async fn next(events: &mut EventStream) -> Option<std::io::Result<Event>> {
    std::future::poll_fn(|context| Pin::new(&mut *events).poll_next(context)).await
}

/// What an event of the terminal means to the view; `None` if nothing.
fn message(event: Event) -> Option<Message> {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => translate(key).map(Message::Key),
        Event::Resize(width, height) => Some(Message::Resize(width, height)),
        Event::Paste(text) => Some(Message::Paste(text)),
        _ => None,
    }
}

fn translate(key: KeyEvent) -> Option<Key> {
    Some(match key.code {
        KeyCode::Char(letter) if key.modifiers.contains(KeyModifiers::CONTROL) => {
            Key::Ctrl(letter.to_ascii_lowercase())
        }
        KeyCode::Char(_) if key.modifiers.contains(KeyModifiers::ALT) => return None,
        KeyCode::Char(letter) => Key::Char(letter),
        KeyCode::F(number) => Key::Function(number),
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Esc,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Tab => Key::Tab,
        KeyCode::BackTab => Key::BackTab,
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::Left => Key::Left,
        KeyCode::Right => Key::Right,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        _ => return None,
    })
}
