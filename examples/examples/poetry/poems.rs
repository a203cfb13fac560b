//! The poems, all in the public domain, and how each is recited.

use std::time::Duration;

/// A poem and the manner of its server.
#[derive(Clone, Copy)]
pub(crate) struct Poem {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    /// The pause between two pieces.
    pub(crate) pause: Duration,
    /// Whether the server breaks off half-way.
    pub(crate) breaks_off: bool,
}

pub(crate) const POEMS: [Poem; 3] = [
    Poem {
        title: "Sonnet 18",
        text: SONNET_18,
        pause: Duration::from_millis(220),
        breaks_off: false,
    },
    Poem {
        title: "Hope",
        text: HOPE,
        pause: Duration::from_millis(280),
        breaks_off: false,
    },
    Poem {
        title: "The Tyger",
        text: THE_TYGER,
        pause: Duration::from_millis(340),
        breaks_off: true,
    },
];

/// William Shakespeare, 1609.
const SONNET_18: &str = "\
Shall I compare thee to a summer's day?
Thou art more lovely and more temperate:
Rough winds do shake the darling buds of May,
And summer's lease hath all too short a date:
Sometime too hot the eye of heaven shines,
And often is his gold complexion dimm'd;
And every fair from fair sometime declines,
By chance, or nature's changing course, untrimm'd;
But thy eternal summer shall not fade,
Nor lose possession of that fair thou ow'st;
Nor shall Death brag thou wander'st in his shade,
When in eternal lines to time thou grow'st:
So long as men can breathe, or eyes can see,
So long lives this, and this gives life to thee.
";

/// Emily Dickinson, published 1891.
const HOPE: &str = "\
Hope is the thing with feathers
That perches in the soul,
And sings the tune without the words,
And never stops at all,

And sweetest in the gale is heard;
And sore must be the storm
That could abash the little bird
That kept so many warm.

I've heard it in the chillest land,
And on the strangest sea;
Yet, never, in extremity,
It asked a crumb of me.
";

/// William Blake, 1794.
const THE_TYGER: &str = "\
Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

In what distant deeps or skies.
Burnt the fire of thine eyes?
On what wings dare he aspire?
What the hand, dare seize the fire?

And what shoulder, and what art,
Could twist the sinews of thy heart?
And when thy heart began to beat,
What dread hand? and what dread feet?

What the hammer? what the chain,
In what furnace was thy brain?
What the anvil? what dread grasp,
Dare its deadly terrors clasp!
";
